import { Schema } from "effect"
import { AgentId, QueryId } from "../Id.ts"
import { Budget, Exceeded } from "./Budget.ts"
import { Outcome, resultFields } from "./QueryOutcome.ts"
import { TokenUsage } from "./TokenUsage.ts"

/**
 * Tells whether a text is long enough to be a prefix of a query's id: four characters after `qry_`.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isIdPrefix = (text: string): boolean => /^qry_[0-9a-hjkmnp-tv-z]{4,26}$/.test(text)

/**
 * The status of a query: it waits for its agent, runs, or has ended.
 *
 * @category models
 * @since 0.1.0
 */
export const QueryStatus = Schema.Literals(["queued", "running", "ended"])
export type QueryStatus = typeof QueryStatus.Type

/**
 * The owner of a budget.
 *
 * @category models
 * @since 0.1.0
 */
export const BudgetOwner = Schema.Literals(["query", "agent", "pool"])
export type BudgetOwner = typeof BudgetOwner.Type

/**
 * The time that a budget leaves a query, and the limit that is exceeded when it is up.
 *
 * @category models
 * @since 0.1.0
 */
export class TimeLeft extends Schema.Class<TimeLeft>("@remote-agent/domain/TimeLeft")({
  time: Schema.Duration,
  of: BudgetOwner,
  exceeded: Exceeded
}) {}

/**
 * The process in the sandbox that answers a query: enough for another client to find it.
 *
 * @category models
 * @since 0.1.0
 */
export class QueryJob extends Schema.Class<QueryJob>("@remote-agent/domain/QueryJob")({
  id: Schema.String,
  /** The folder of its files in the sandbox. */
  directory: Schema.String,
  /** Present when a budget shortened the wall timeout; holds the shortened time. */
  timeLeft: Schema.optionalKey(TimeLeft)
}) {}

/**
 * The timeouts of a query.
 *
 * @category models
 * @since 0.1.0
 */
export class QueryTimeouts extends Schema.Class<QueryTimeouts>("@remote-agent/domain/QueryTimeouts")({
  /** How long it may take in all. */
  wall: Schema.optionalKey(Schema.Duration),
  /** How long it may be silent. */
  idle: Schema.optionalKey(Schema.Duration)
}) {}

/**
 * A span of a trace, in the form of the W3C header `traceparent`.
 *
 * @category models
 * @since 0.1.0
 */
export const TracePlace = Schema.String.check(Schema.isPattern(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/))
export type TracePlace = typeof TracePlace.Type

const modelName = "the name of a model, without spaces"

/**
 * The name of a model. It has no blanks and does not start with a dash, so a program cannot mistake it for a flag.
 *
 * @category models
 * @since 0.1.0
 */
export const ModelName = Schema.String.check(
  Schema.isPattern(/^[^\s\p{Cc}-][^\s\p{Cc}]{0,199}$/u, { expected: modelName, message: modelName })
)

/**
 * How many steps an agent may take for one query.
 *
 * @category models
 * @since 0.1.0
 */
export const Steps = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))

/**
 * A query to one agent, and how it ended.
 *
 * @category models
 * @since 0.1.0
 */
export class Query extends Schema.Class<Query>("@remote-agent/domain/Query")({
  id: QueryId,
  agentId: AgentId,
  text: Schema.String,
  /** The conversation that the query belongs to. A query sees the earlier queries of its session. */
  session: Schema.optionalKey(Schema.String),
  /** Whether the session starts over with this query. */
  newSession: Schema.optionalKey(Schema.Boolean),
  /** False when the query must not wake a paused agent. */
  resume: Schema.optionalKey(Schema.Boolean),
  /** The model to use instead of the profile's. */
  model: Schema.optionalKey(ModelName),
  /** How many steps the agent may take; the agent's own default when absent. */
  maxIterations: Schema.optionalKey(Steps),
  /** The budget of this query alone. */
  budget: Schema.optionalKey(Budget),
  status: QueryStatus,
  outcome: Schema.optionalKey(Outcome),
  /** Why there is no answer. */
  error: Schema.optionalKey(Schema.String),
  /** What the query used. Present once it has ended. */
  usage: Schema.optionalKey(TokenUsage),
  /** The timeouts; those of the profile when absent. */
  timeouts: Schema.optionalKey(QueryTimeouts),
  job: Schema.optionalKey(QueryJob),
  /** The span that started the query, so that later work continues the same trace. */
  trace: Schema.optionalKey(TracePlace),
  /** When the query was first cancelled, and by which user or process. */
  cancelRequestedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  cancelRequestedBy: Schema.optionalKey(Schema.String),
  createdAt: Schema.DateTimeUtcFromString,
  /** When it stopped waiting for its agent. */
  startedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  endedAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
}) {}

/**
 * The result of a query, as its caller receives it.
 *
 * **Details**
 *
 * `answer` is empty unless the outcome is `ok`; `error` is present whenever it is not. `query` is the text of the query.
 *
 * @category models
 * @since 0.1.0
 */
export class QueryResult extends Schema.Class<QueryResult>("@remote-agent/domain/QueryResult")({
  queryId: QueryId,
  agentId: AgentId,
  query: Schema.String,
  ...resultFields
}) {
  /** Whether there is an answer. */
  get ok(): boolean {
    return this.outcome === "ok"
  }
}
