import type { Id } from "@remote-agent/domain"
import { Effect, FileSystem, Path } from "effect"
import { ChildProcess } from "effect/process"
import * as DataFolder from "../../../app/dataFolder.ts"
import { CommandHost } from "../../../process/CommandHost.ts"
import { Usage } from "../../../ui/Failure.ts"

/** The flags that a command in the background needs to find the same agents and the same state. */
export interface Places {
  readonly provider?: string | undefined
  readonly isolation?: string | undefined
  readonly state?: string | undefined
}

/** The command line of a process that works for a run. */
const argumentsOf = (id: Id.RunId, { isolation, provider, state }: Places): ReadonlyArray<string> => [
  "run",
  "resume",
  id,
  "--json",
  "--quiet",
  ...(provider === undefined ? [] : ["--provider", provider]),
  ...(isolation === undefined ? [] : ["--isolation", isolation]),
  ...(state === undefined ? [] : ["--state", state])
]

/**
 * Starts a process that works for a run and outlives this one. Its output goes to a log in the data folder, whose path is
 * returned.
 */
export const start = Effect.fnUntraced(function* (id: Id.RunId, places: Places) {
  const [fs, path, { command, cwd, env }] = [
    yield* FileSystem.FileSystem,
    yield* Path.Path,
    yield* CommandHost
  ]
  const folder = path.join(yield* DataFolder.ensure, "runs")
  const log = path.join(folder, `${id}.log`)
  yield* Effect.mapError(
    fs.makeDirectory(folder, { recursive: true, mode: 0o700 }),
    () =>
      new Usage({ message: `The folder ${folder} cannot be written. Set REMOTE_AGENT_DATA to another one.` })
  )
  const [program, ...first] = command
  // The shell ends at once and leaves the command to init, so that neither this process nor its terminal ends it.
  const script = 'log=$1; shift; setsid "$@" </dev/null >"$log" 2>&1 &'
  const words = ["-c", script, "sh", log, program, ...first, ...argumentsOf(id, places)]
  const child = ChildProcess.make("sh", words, {
    cwd,
    env: Object.fromEntries(
      Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
    ),
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore"
  })
  yield* Effect.scoped(Effect.flatMap(child, (handle) => handle.exitCode)).pipe(
    Effect.mapError(
      () => new Usage({ message: "No process can be started in the background. Use --wait instead." })
    )
  )
  return log
})
