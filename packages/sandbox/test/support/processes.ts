import { Effect, FileSystem, Schedule } from "effect"

/** Whether a process runs; what is dead and not yet collected by its parent does not. */
const runsStill = Effect.fnUntraced(function* (pid: number) {
  const files = yield* FileSystem.FileSystem
  const stat = yield* Effect.orElseSucceed(files.readFileString(`/proc/${pid}/stat`), () => "")
  return stat !== "" && stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z"
})

/** Those that run. */
export const alive = (pids: ReadonlyArray<number>) => Effect.filter(pids, runsStill)

/** Those that still run once what was killed is no longer seen. */
export const dead = (pids: ReadonlyArray<number>) =>
  Effect.repeat(alive(pids), {
    until: (left) => left.length === 0,
    schedule: Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 300 }))
  })
