import { Schema } from "effect"
import { RunId, ScheduleId } from "../Id.ts"
import { Budget } from "../query/Budget.ts"
import { RetryPolicy } from "../run/Run.ts"

/**
 * The policy for several times at once: none of them starts a run, only the last one does, or all do.
 *
 * @category models
 * @since 0.2.0
 */
export const Policy = Schema.Literals(["skip", "one", "all"])
export type Policy = typeof Policy.Type

/**
 * The run that a schedule starts.
 *
 * @category models
 * @since 0.2.0
 */
export class Template extends Schema.Class<Template>("@remote-agent/domain/Schedule/Template")({
  profile: Schema.String,
  size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })),
  priority: Schema.Int,
  retry: RetryPolicy,
  stopAfter: Schema.optionalKey(Schema.Int),
  budget: Schema.optionalKey(Budget),
  timeout: Schema.optionalKey(Schema.Duration),
  questions: Schema.Array(Schema.String)
}) {}

/**
 * The record of a schedule.
 *
 * @category models
 * @since 0.2.0
 */
export class Schedule extends Schema.Class<Schedule>("@remote-agent/domain/Schedule")({
  id: ScheduleId,
  name: Schema.optionalKey(Schema.String),
  /** Five fields, or six with seconds first. */
  cron: Schema.String,
  /** The name of a time zone, such as `America/New_York`. */
  zone: Schema.String,
  /** What happens to times that passed while no process watched the schedule. */
  missed: Policy,
  /** What happens to a time while the run of an earlier one is not over: `one` waits for that run. */
  overlap: Policy,
  status: Schema.Literals(["active", "paused"]),
  template: Template,
  /** A time that waits until the run of an earlier one is over. */
  waiting: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** Times up to this one have been decided. */
  decidedUntil: Schema.DateTimeUtcFromString,
  createdAt: Schema.DateTimeUtcFromString
}) {}

/**
 * One time of a schedule, and what became of it.
 *
 * @category models
 * @since 0.2.0
 */
export class TickRecord extends Schema.Class<TickRecord>("@remote-agent/domain/Schedule/TickRecord")({
  tick: Schema.DateTimeUtcFromString,
  /** `manual` was started by hand. */
  outcome: Schema.Literals(["started", "manual", "missed", "overlapped"]),
  runId: Schema.optionalKey(RunId)
}) {}
