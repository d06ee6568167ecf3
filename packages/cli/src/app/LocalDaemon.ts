import type { DaemonStart } from "@remote-agent/e2b-local"
import { Effect } from "effect"
import * as DataFolder from "./dataFolder.ts"
import { CommandHost } from "../process/CommandHost.ts"
import { version } from "../version.ts"

/** How long the daemon of this user stays without a sandbox and a request, in seconds, when nothing is said. */
export const idleSeconds = 600

/** What a daemon needs of the environment; it outlives the command that starts it, so it gets no more than that. */
const inherited = ["PATH", "HOME", "TMPDIR", "LANG"]

/** How sandboxes of the daemon are isolated, and when it ends. */
export interface Wanted {
  readonly isolation?: DaemonStart.Options["isolation"]
  readonly idle?: number | undefined
}

/** The daemon of the data folder, for `DaemonStart.layer` and `Local.layerDaemon`: this binary, started again. */
export const options = Effect.fnUntraced(function* ({ idle = idleSeconds, isolation }: Wanted) {
  const [folder, { command, env }] = [yield* DataFolder.ensure, yield* CommandHost]
  const [program, ...args] = command
  const flags = ["--idle", `${idle}`, "--isolation", isolation ?? "auto"]
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
