import { DaemonControl, type DaemonStart } from "@remote-agent/e2b-local"
import { Effect } from "effect"
import { CommandHost } from "../process/CommandHost.ts"
import { version } from "../version.ts"
import * as DataFolder from "./dataFolder.ts"

/** How long an idle background server keeps running by default, in seconds. */
export const idleSeconds = 600

// The server outlives the command that starts it, so it gets no other part of the environment.
const inherited = ["PATH", "HOME", "TMPDIR", "LANG"]

/** How the local server isolates sandboxes and when it stops. */
export interface Wanted {
  /** Absent: that of the running server, or the best that works here. */
  readonly isolation?: DaemonStart.Options["isolation"]
  readonly idle?: number | undefined
  /** Memory and disk of each sandbox in MiB, for a server that is started now. */
  readonly memory?: number | undefined
  readonly disk?: number | undefined
}

/** The isolation of the running server, if it was started with `--isolation none`. */
const waived = Effect.map(CommandHost, ({ dataFolder }) => dataFolder).pipe(
  Effect.flatMap((folder) => DaemonControl.look(folder)),
  Effect.map((found) => (found._tag === "Running" && found.entry.waived ? found.entry.isolation : undefined))
)

/**
 * The local server of the data folder, which is this binary started again.
 *
 * **Details**
 *
 * Without an `isolation` the running server is used as it is, also one that was started with `--isolation none`.
 */
export const options = Effect.fnUntraced(function* ({
  disk,
  idle = idleSeconds,
  isolation: asked,
  memory
}: Wanted) {
  const [folder, { command, env }] = [yield* DataFolder.ensure, yield* CommandHost]
  const isolation = asked ?? (yield* waived)
  const [program, ...args] = command
  const flags = [
    "--idle",
    `${idle}`,
    "--isolation",
    isolation ?? "auto",
    ...(memory === undefined ? [] : ["--memory", `${memory}`]),
    ...(disk === undefined ? [] : ["--disk", `${disk}`])
  ]
  return {
    folder,
    version,
    isolation,
    command: [program, ...args, "local", "daemon", ...flags],
    env: {
      ...Object.fromEntries(
        inherited.flatMap((name) => {
          const value = env[name]
          return value === undefined ? [] : [[name, value]]
        })
      ),
      REMOTE_AGENT_DATA: folder
    }
  } satisfies DaemonStart.Options
})
