/** Cases for jobs. */
import { Effect, Stream } from "effect"
import { isEnd, type JobEvent } from "../../JobEvent.ts"
import * as Job from "../../job/Job.ts"
import { beating, box, type Case, define, reasonOf, same, scripts, still } from "./case.ts"

const decoder = new TextDecoder()

const textOf = (events: ReadonlyArray<JobEvent>) =>
  events.map((event) => (isEnd(event) ? "" : decoder.decode(event.bytes))).join("")

/** Cases for jobs. */
export const cases: ReadonlyArray<Case> = [
  define("keeps the output and the exit of a job for every reader", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      const run = yield* Stream.runCollect(Job.run(sandbox, { script: scripts.steps }, { id: "steps" }))
      yield* same(textOf(run), "step 1\nstep 2\nstep 3\n", "the output")
      yield* same(run.at(-1), { _tag: "Exited", exitCode: 0 }, "the end")
      const job = yield* Job.attach(sandbox, "steps")
      const again = yield* Stream.runCollect(Job.read(sandbox, job, { from: { stdout: 7, stderr: 0 } }))
      yield* same(textOf(again), "step 2\nstep 3\n", "the output from a cursor on")
      yield* same(yield* Job.status(sandbox, job), { _tag: "Exited", exitCode: 0 }, "the status")
      yield* Job.remove(sandbox, job)
      yield* same(yield* reasonOf(Job.attach(sandbox, "steps")), "FileNotFound", "the reason")
    })
  ),
  define("runs one job for an id, however often it is started", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      const start = Job.start(sandbox, { script: scripts.heart }, { id: "once" })
      const first = yield* start
      yield* beating(sandbox)
      const second = yield* start
      yield* same([first.fresh, second.fresh], [true, false], "whether the job is fresh")
      yield* same(yield* Job.status(sandbox, second), { _tag: "Running" }, "the status")
      yield* Job.remove(sandbox, first)
      yield* still(sandbox)
    })
  ),
  define("reserves the id of a job that was not started, so that it never is", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      const started = yield* Job.start(sandbox, { script: scripts.steps }, { id: "started" })
      yield* same(yield* Job.reserve(sandbox, started), false, "whether the id of a job is free")
      const missing = {
        ...started,
        id: "missing",
        directory: started.directory.replace(/started$/, "missing")
      }
      const reserve = Job.reserve(sandbox, missing)
      yield* same([yield* reserve, yield* reserve], [true, true], "whether the id is free, twice")
      const late = yield* Job.start(sandbox, { script: scripts.heart }, { id: "missing" })
      yield* same(late.fresh, false, "whether the late job is fresh")
      yield* still(sandbox)
      yield* Job.remove(sandbox, started)
    })
  ),
  define("kills a job and everything it started", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      const job = yield* Job.start(sandbox, { script: scripts.heart })
      yield* beating(sandbox)
      const end = yield* Job.kill(sandbox, job, { grace: 0 })
      yield* same(end._tag === "Killed" && end.by, "request", "the cause")
      yield* still(sandbox)
      yield* same(yield* Job.kill(sandbox, job), end, "the end of a job that has ended")
    })
  )
]
