import { Duration, Effect, Schema } from "effect"
import { AgentId, QueryId, RunId } from "../Id.ts"
import { Budget } from "../query/Budget.ts"
import { Outcome } from "../query/QueryOutcome.ts"
import { TokenUsage } from "../query/TokenUsage.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * The status of a run.
 *
 * **Details**
 *
 * - `running`: its questions are answered as agents are free.
 * - `paused`: questions that were started are finished, and no other is started.
 * - `stopped`: like `paused`, because of a limit of the run; `stopReason` names it.
 * - `cancelled`: running questions are cancelled, and no other is started.
 * - `completed`: every question has a result.
 *
 * A paused or stopped run can be resumed.
 *
 * @category models
 * @since 0.2.0
 */
export const RunStatus = Schema.Literals(["running", "paused", "stopped", "cancelled", "completed"])
export type RunStatus = typeof RunStatus.Type

/**
 * The limit that stopped a run: too many failed questions, its budget, or agents that cannot be launched.
 *
 * @category models
 * @since 0.2.0
 */
export const StopReason = Schema.Literals(["failures", "budget", "launch"])
export type StopReason = typeof StopReason.Type

/**
 * Which outcomes are tried again, how often, and after which delay. The delay doubles with every attempt, up to
 * `maxDelay`.
 *
 * @category models
 * @since 0.2.0
 */
export class RetryPolicy extends Schema.Class<RetryPolicy>("@remote-agent/domain/Run/RetryPolicy")({
  /** The number of attempts per question, the first included. */
  attempts: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
  outcomes: Schema.Array(Outcome),
  delay: Schema.Duration,
  maxDelay: Schema.Duration
}) {}

/**
 * The policy of a run that has none: each question is tried once.
 *
 * @category constructors
 * @since 0.2.0
 */
export const noRetries = new RetryPolicy({
  attempts: 1,
  outcomes: [],
  delay: Duration.zero,
  maxDelay: Duration.zero
})

/**
 * The number of questions of a run by state, and how often questions were tried again.
 *
 * @category models
 * @since 0.2.0
 */
export class RunCounts extends Schema.Class<RunCounts>("@remote-agent/domain/Run/RunCounts")({
  total: Count,
  waiting: Count,
  /** Questions that have an agent, or are about to get one. */
  running: Count,
  /** Questions with an answer. */
  ok: Count,
  /** Questions that ended without an answer. */
  failed: Count,
  /** Attempts that failed and were followed by another one. */
  retried: Count,
  /** Attempts that met a usage limit and were put back until its reset. */
  limited: Count
}) {}

const noCounts = new RunCounts({ total: 0, waiting: 0, running: 0, ok: 0, failed: 0, retried: 0, limited: 0 })

/**
 * The most questions of one run.
 *
 * @category constants
 * @since 0.2.0
 */
export const mostQuestions = 100_000

/**
 * The record of a run.
 *
 * @category models
 * @since 0.2.0
 */
export class Run extends Schema.Class<Run>("@remote-agent/domain/Run")({
  id: RunId,
  name: Schema.optionalKey(Schema.String),
  status: RunStatus,
  stopReason: Schema.optionalKey(StopReason),
  /** The last failure that kept the run from continuing. */
  problem: Schema.optionalKey(Schema.String),
  profile: Schema.String,
  /** How many agents answer its questions at the same time. */
  size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })),
  /** Runs with a greater priority get agents first. */
  priority: Schema.Int.check(Schema.isBetween({ minimum: -1000, maximum: 1000 })),
  retry: RetryPolicy,
  /** The run is stopped after this many failed questions. */
  stopAfter: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  /** What all its queries together may use. */
  budget: Schema.optionalKey(Budget),
  /** The wall timeout of each query; that of the profile when absent. */
  timeout: Schema.optionalKey(Schema.Duration),
  /** The schedule and the tick that started it. */
  schedule: Schema.optionalKey(Schema.Struct({ id: Schema.String, tick: Schema.DateTimeUtcFromString })),
  /** Whether all questions have been read. A run that is not sealed may get more. */
  sealed: Schema.Boolean,
  counts: RunCounts.pipe(
    Schema.withConstructorDefault(Effect.succeed(noCounts)),
    Schema.withDecodingDefaultKey(Effect.succeed(Schema.encodeSync(RunCounts)(noCounts)))
  ),
  /** What its ended queries used, attempts that were repeated included. */
  usage: TokenUsage,
  /** How many questions had failed when the run was last resumed. `stopAfter` counts from there. */
  failedBefore: Count,
  /** Launches in a row that failed. */
  launchFailures: Count,
  createdAt: Schema.DateTimeUtcFromString,
  endedAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
}) {}

/**
 * The state of a question.
 *
 * **Details**
 *
 * - `waiting`: for a free agent, at the earliest at `notBefore`.
 * - `assigned`: to a slot of the run, which launches an agent for it. No query was started.
 * - `started`: as the query `queryId`, which may run in a sandbox. It is followed or settled, and not started again.
 * - `ended`: it has its result.
 *
 * @category models
 * @since 0.2.0
 */
export const QuestionState = Schema.Literals(["waiting", "assigned", "started", "ended"])
export type QuestionState = typeof QuestionState.Type

/**
 * A question of a run.
 *
 * @category models
 * @since 0.2.0
 */
export class Question extends Schema.Class<Question>("@remote-agent/domain/Run/Question")({
  /** Its place in the input, from 0. */
  index: Count,
  text: Schema.String,
  state: QuestionState,
  /** Attempts that have ended and count towards the retry policy. */
  attempts: Count,
  /** Attempts of which no program was started. */
  unstarted: Count,
  /** Attempts that met a usage limit. */
  limited: Count,
  /** In milliseconds since 1970; 0 for a question that may be started at once. */
  notBefore: Count,
  /** The place among the agents of the run that works on it. */
  slot: Schema.optionalKey(Count),
  agentId: Schema.optionalKey(AgentId),
  queryId: Schema.optionalKey(QueryId),
  /** Its place among the results of the run in the order of their arrival, from 1, without gaps. */
  seq: Schema.optionalKey(Count),
  outcome: Schema.optionalKey(Outcome),
  answer: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String),
  /** What its last attempt used. */
  usage: Schema.optionalKey(TokenUsage),
  endedAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
}) {}
