import { type Id, OrchestratorError, type Run, RunTransition } from "@remote-agent/domain"
import { DateTime, Duration, Effect, Option, Stream } from "effect"
import * as AgentStore from "../state/AgentStore.ts"
import { type ResultRange, type RunFilter, RunStore } from "../state/runs/RunStore.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * Which results of a run are read.
 *
 * @category models
 * @since 0.2.0
 */
export interface ResultOptions extends Pick<ResultRange, "order" | "after"> {
  /** Waits for further results until the run has none to come: it is over, or paused and idle. */
  readonly follow?: boolean | undefined
}

/**
 * The records of runs: what can be read and changed without agents.
 *
 * @category models
 * @since 0.2.0
 */
export interface RunRecords {
  /** Ends the input of a run. */
  readonly seal: (id: Id.RunId) => Effect.Effect<Run.Run, Failure>
  /** Fails with `RunNotFound`. */
  readonly get: (id: Id.RunId) => Effect.Effect<Run.Run, Failure>
  /** Lists runs, newest first. */
  readonly list: (filter: RunFilter) => Effect.Effect<ReadonlyArray<Run.Run>, Failure>
  /** Lets started questions end, and starts no other. Fails with `RunOver`. */
  readonly pause: (id: Id.RunId) => Effect.Effect<Run.Run, Failure>
  /** Lets a paused or stopped run continue. A running run stays as it is. Fails with `RunOver`. */
  readonly resume: (id: Id.RunId) => Effect.Effect<Run.Run, Failure>
  /** Cancels the running queries of a run, and starts no other. Succeeds when it is cancelled already. */
  readonly cancel: (id: Id.RunId) => Effect.Effect<Run.Run, Failure>
  /** Streams the questions that have a result. Each appears once. */
  readonly results: (id: Id.RunId, options: ResultOptions) => Stream.Stream<Run.Question, Failure>
  /** Streams the record of a run: now, and after each change, until it has no work in progress. */
  readonly watch: (id: Id.RunId) => Stream.Stream<Run.Run, Failure>
}

/** How many results are read at a time. */
const batch = 500

/** How often a reader looks for new results. */
const poll = Duration.millis(250)

/** Whether nothing more happens to a run unless it is resumed. */
const isIdle = ({ counts, status }: Run.Run) => status !== "running" && counts.running === 0

/** Fails with `RunOver` when a run is completed or cancelled. */
const unlessOver = (operation: string, run: Run.Run) =>
  run.status === "completed" || run.status === "cancelled"
    ? Effect.fail(
        AgentStore.failure(operation, new OrchestratorError.RunOver({ id: run.id, status: run.status }))
      )
    : Effect.succeed(run)

/**
 * Makes the records over the current store.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: Effect.Effect<RunRecords, never, RunStore> = Effect.gen(function* () {
  const store = yield* RunStore

  const get = (operation: string, id: Id.RunId) => AgentStore.stored(operation, store.get(id))

  const change = (operation: string, id: Id.RunId, next: (at: DateTime.Utc) => (run: Run.Run) => Run.Run) =>
    Effect.flatMap(DateTime.now, (at) => AgentStore.stored(operation, store.change(id, next(at))))

  const results = (id: Id.RunId, { after, follow = false, order }: ResultOptions) =>
    Stream.paginate(after, (from) =>
      Effect.gen(function* () {
        // Read before the page, so that the page of an idle run is its last.
        const run = yield* get("results", id)
        const page = yield* AgentStore.stored(
          "results",
          store.results(id, { order, after: from, limit: batch })
        )
        const last = page.at(-1)
        const cursor = last === undefined ? from : order === "input" ? last.index : last.seq
        if (page.length === batch) return [page, Option.some(cursor)] as const
        if (!follow || isIdle(run)) return [page, Option.none<number | undefined>()] as const
        yield* page.length === 0 ? Effect.sleep(poll) : Effect.void
        return [page, Option.some(cursor)] as const
      })
    )

  const watch = (id: Id.RunId) =>
    Stream.paginate(true, (first) =>
      Effect.gen(function* () {
        if (!first) yield* Effect.sleep(poll)
        const run = yield* get("watch", id)
        return [[run], isIdle(run) ? Option.none<boolean>() : Option.some(false)] as const
      })
    ).pipe(Stream.changesWith((a, b) => JSON.stringify(a) === JSON.stringify(b)))

  return {
    seal: Effect.fn("Runs.seal")((id) => change("sealRun", id, RunTransition.seal)),
    get: Effect.fn("Runs.get")((id) => get("getRun", id)),
    list: Effect.fn("Runs.list")((filter) => AgentStore.stored("listRuns", store.list(filter))),
    pause: Effect.fn("Runs.pause")((id) =>
      Effect.flatMap(
        change("pauseRun", id, () => RunTransition.pause),
        (run) => unlessOver("pauseRun", run)
      )
    ),
    resume: Effect.fn("Runs.resume")((id) =>
      Effect.flatMap(get("resumeRun", id), (run) => unlessOver("resumeRun", run)).pipe(
        Effect.andThen(change("resumeRun", id, RunTransition.resume))
      )
    ),
    cancel: Effect.fn("Runs.cancel")((id) => change("cancelRun", id, RunTransition.cancel)),
    results,
    watch
  }
})
