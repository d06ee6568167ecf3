import { Effect, FileSystem, Schedule } from "effect"

/** Whether a process is running. A zombie is not. */
const runsStill = Effect.fnUntraced(function* (pid: number) {
  const files = yield* FileSystem.FileSystem
  const stat = yield* Effect.orElseSucceed(files.readFileString(`/proc/${pid}/stat`), () => "")
  return stat !== "" && stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z"
})

/** The running processes among these. */
export const alive = (pids: ReadonlyArray<number>) => Effect.filter(pids, runsStill)

/** The processes that are still running after some time for killed ones to disappear. */
export const dead = (pids: ReadonlyArray<number>) =>
  Effect.repeat(alive(pids), {
    until: (left) => left.length === 0,
    schedule: Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 300 }))
  })
