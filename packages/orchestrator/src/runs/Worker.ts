import { type OrchestratorError } from "@remote-agent/domain"
import { Effect } from "effect"
import { Orchestrator } from "../Orchestrator.ts"
import * as AgentStore from "../state/AgentStore.ts"
import { Leases } from "../state/Leases.ts"
import { WorkerStore } from "../state/runs/WorkerStore.ts"
import { Runs } from "./Runs.ts"
import * as Schedules from "./Schedules.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * The options of a worker.
 *
 * @category models
 * @since 0.2.0
 */
export interface WorkerOptions {
  /** Its name, which no other worker of the state has. */
  readonly name: string
  /** How many agents it works with at most. */
  readonly slots: number
  /** Called whenever the state has answered: the worker is healthy. */
  readonly onBeat?: Effect.Effect<void> | undefined
}

/** How often a worker reports itself, and looks whether it is to drain. */
const beat = "2 seconds"

/** How often the workers of a state reap, all together. */
const reapEvery = "5 minutes"

/** Returns when the worker is asked to drain. A state that cannot be reached is asked again. */
const drained = Effect.fnUntraced(function* (
  store: WorkerStore["Service"],
  { name, onBeat = Effect.void, slots }: WorkerOptions
) {
  for (;;) {
    const asked = yield* Effect.result(store.beat(name, slots))
    if (asked._tag === "Failure") yield* Effect.logWarning("The state cannot be reached", asked.failure)
    else {
      yield* onBeat
      if (asked.success) return
    }
    yield* Effect.sleep(beat)
  }
})

/** Reaps in one worker at a time, and no more often than `reapEvery`: the lease is kept until it expires. */
const reaps = Effect.fnUntraced(function* (name: string) {
  const [leases, { state }] = yield* Effect.all([Leases, Orchestrator])
  for (;;) {
    const lease = yield* Effect.option(leases.acquire("singleton/reaper", { holder: name, ttl: reapEvery }))
    if (lease._tag === "Some") {
      yield* Effect.catch(state.reap(), (error) =>
        Effect.logWarning("The reaper failed and runs again later", error)
      )
    }
    yield* Effect.sleep(reapEvery)
  }
})

/**
 * Works for all runs, starts the runs of schedules, and reaps, until it is asked to drain.
 *
 * **Details**
 *
 * Any number of workers may run over one state. When it ends or is interrupted, it hands its work over at once: queries
 * continue in their sandboxes, and another worker follows them. When it is killed, others take over after the leases of
 * its slots have expired.
 *
 * @category running
 * @since 0.2.0
 */
export const run = Effect.fn("Worker.run")(function* (
  options: WorkerOptions
): Effect.fn.Return<
  void,
  Failure,
  Runs | Orchestrator | Leases | WorkerStore | Effect.Services<typeof Schedules.make>
> {
  const [runs, store, schedules] = [yield* Runs, yield* WorkerStore, yield* Schedules.make]
  yield* Effect.raceAllFirst([
    runs.work({ slots: options.slots }),
    schedules.watch,
    reaps(options.name),
    drained(store, options)
  ]).pipe(
    Effect.ensuring(
      Effect.catch(AgentStore.stored("worker", store.leave(options.name)), (error) =>
        Effect.logWarning("A worker could not be removed from the list; it disappears by itself", error)
      )
    )
  )
})
