import {
  Id,
  type OrchestratorError,
  Run,
  Schedule,
  ScheduleTick,
  type StateStoreError,
  TokenUsage
} from "@remote-agent/domain"
import { Clock, Context, DateTime, Effect } from "effect"
import * as AgentStore from "../state/AgentStore.ts"
import { ScheduleStore, type Tick } from "../state/runs/ScheduleStore.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * Starts the runs of schedules.
 *
 * @category models
 * @since 0.2.0
 */
export interface Schedules {
  /** Decides all times that have passed, and records their runs. */
  readonly tick: Effect.Effect<void, Failure>
  /** Calls `tick` for as long as it is not interrupted. Any number of processes may do so at the same time. */
  readonly watch: Effect.Effect<never, Failure>
  /** Records a run of a schedule now, beside its times. */
  readonly runNow: (id: Id.ScheduleId) => Effect.Effect<Run.Run, Failure>
}

/**
 * How long after its creation by another process a schedule is noticed at most, in milliseconds: a minute, unless another
 * value is provided.
 *
 * @category references
 * @since 0.2.0
 */
export const Longest: Context.Reference<number> = Context.Reference<number>(
  "@remote-agent/orchestrator/Schedules/Longest",
  { defaultValue: () => 60_000 }
)

/** The run that a schedule starts at a time. */
const runOf = Effect.fnUntraced(function* ({ id, name, template }: Schedule.Schedule, tick: DateTime.Utc) {
  const { questions: _, ...spec } = template
  return new Run.Run({
    ...spec,
    id: yield* Id.nextRunId,
    status: "running",
    schedule: { id, tick },
    sealed: false,
    usage: TokenUsage.zero,
    failedBefore: 0,
    launchFailures: 0,
    createdAt: yield* DateTime.now,
    ...(name === undefined ? {} : { name })
  })
})

/** Tries again later when the state cannot be reached. */
const retried = (effect: Effect.Effect<void, StateStoreError.StateStoreError>) =>
  Effect.catchReason(effect, "StateStoreError", "Unavailable", (_, error) =>
    Effect.andThen(
      Effect.logWarning("The schedules cannot be read; trying again", error),
      Effect.sleep("5 seconds")
    )
  )

/**
 * Makes the schedules of the current store.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: Effect.Effect<Schedules, never, ScheduleStore> = Effect.gen(function* () {
  const [store, longest] = [yield* ScheduleStore, yield* Longest]

  const decide = Effect.fnUntraced(function* (schedule: Schedule.Schedule) {
    const now = yield* DateTime.now
    const { decisions, ...next } = ScheduleTick.decide(schedule, now, yield* store.isRunning(schedule.id))
    if (decisions.length === 0 && DateTime.Equivalence(next.decidedUntil, schedule.decidedUntil)) return
    const ticks = yield* Effect.forEach(
      decisions,
      Effect.fnUntraced(function* ({ outcome, tick }): Effect.fn.Return<Tick> {
        return { tick, outcome, run: outcome === "started" ? yield* runOf(schedule, tick) : undefined }
      })
    )
    // Another process may have decided the same times. Its decision counts.
    yield* store.record(schedule, ticks, next)
  })

  const all = Effect.flatMap(store.list, (schedules) => Effect.forEach(schedules, decide, { discard: true }))

  /** Waits until the next time of any schedule. */
  const untilNext = Effect.gen(function* () {
    const [now, schedules] = [yield* DateTime.now, yield* store.list]
    const active = schedules.filter(({ status }) => status === "active")
    const waits = active.flatMap((schedule) =>
      // The end of a run, for which a time waits, comes at any moment.
      schedule.waiting === undefined
        ? ScheduleTick.upcoming(schedule, now, 1).map(
            (tick) => DateTime.toEpochMillis(tick) - DateTime.toEpochMillis(now)
          )
        : [2000]
    )
    yield* Effect.sleep(Math.max(100, Math.min(longest, ...waits)))
  })

  return {
    tick: AgentStore.stored("schedule", all),
    watch: Effect.forever(AgentStore.stored("schedule", retried(Effect.andThen(all, untilNext)))),
    runNow: Effect.fn("Schedules.runNow")(function* (id: Id.ScheduleId) {
      for (;;) {
        const schedule = yield* AgentStore.stored("schedule", store.get(id))
        const tick = DateTime.makeUnsafe(yield* Clock.currentTimeMillis)
        const run = yield* runOf(schedule, tick)
        const recorded = yield* AgentStore.stored(
          "schedule",
          store.record(schedule, [{ tick, outcome: "manual", run }], {
            waiting: schedule.waiting,
            decidedUntil: schedule.decidedUntil
          })
        )
        if (recorded) return run
      }
    })
  }
})
