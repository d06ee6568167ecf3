import { type Id, type Run, Schedule, type ScheduleTick, type StateStoreError } from "@remote-agent/domain"
import { Context, type DateTime, type Effect } from "effect"

/**
 * A time of a schedule, and the run that it starts, if any.
 *
 * @category models
 * @since 0.2.0
 */
export interface Tick {
  readonly tick: DateTime.Utc
  readonly outcome: Schedule.TickRecord["outcome"]
  /** The run with its questions, which is recorded together with the time. */
  readonly run?: Run.Run | undefined
}

type Result<A> = Effect.Effect<A, StateStoreError.StateStoreError>

/**
 * Stores schedules and what became of their times.
 *
 * **Details**
 *
 * A time of a schedule is recorded once, together with its run, in one transaction: however many processes decide it,
 * it starts one run. Methods that take an id fail with `NotFound` when there is no such schedule.
 *
 * @category services
 * @since 0.2.0
 */
export class ScheduleStore extends Context.Service<
  ScheduleStore,
  {
    readonly create: (schedule: Schedule.Schedule) => Result<void>
    readonly get: (id: Id.ScheduleId) => Result<Schedule.Schedule>
    /** Lists all schedules, oldest first. */
    readonly list: Result<ReadonlyArray<Schedule.Schedule>>
    readonly change: (
      id: Id.ScheduleId,
      change: (schedule: Schedule.Schedule) => Schedule.Schedule
    ) => Result<Schedule.Schedule>
    /** Removes a schedule and its history. Its runs stay. Succeeds when there is none. */
    readonly remove: (id: Id.ScheduleId) => Result<void>
    /**
     * Records times that were decided, with their runs, and the new `waiting` and `decidedUntil` of the schedule.
     * Returns false, and changes nothing, when another process decided since `known` was read.
     */
    readonly record: (
      known: Schedule.Schedule,
      ticks: ReadonlyArray<Tick>,
      next: Omit<ScheduleTick.Decisions, "decisions">
    ) => Result<boolean>
    /** Lists the times of a schedule, newest first. */
    readonly history: (id: Id.ScheduleId, limit: number) => Result<ReadonlyArray<Schedule.TickRecord>>
    /** The newest run of a schedule that is not over. */
    readonly isRunning: (id: Id.ScheduleId) => Result<boolean>
  }
>()("@remote-agent/orchestrator/ScheduleStore") {}

/**
 * The schedule after times were decided.
 *
 * @category constructors
 * @since 0.2.0
 */
export const decided = (
  schedule: Schedule.Schedule,
  { decidedUntil, waiting }: Omit<ScheduleTick.Decisions, "decisions">
): Schedule.Schedule => {
  const { waiting: _, ...rest } = schedule
  return new Schedule.Schedule({ ...rest, decidedUntil, ...(waiting === undefined ? {} : { waiting }) })
}
