import { Schema } from "effect"
import { Limit, Outcome } from "../agent/AgentEvent.ts"
import { Budget, Exceeded } from "./Budget.ts"
import { AgentId, QueryId } from "../Id.ts"
import { TokenUsage } from "./TokenUsage.ts"

/** Where a query stands: waiting for its agent, being answered, or ended. */
export const QueryStatus = Schema.Literals(["queued", "running", "ended"])
export type QueryStatus = typeof QueryStatus.Type

/** Whose budget it is. */
export const BudgetOwner = Schema.Literals(["query", "agent", "pool"])
export type BudgetOwner = typeof BudgetOwner.Type

/** The time that a budget leaves a query, and what there is to say when that is up. */
export class TimeLeft extends Schema.Class<TimeLeft>("@remote-agent/domain/TimeLeft")({
  time: Schema.Duration,
  of: BudgetOwner,
  exceeded: Exceeded
}) {}

/** The process in the sandbox that answers a query: enough for whoever takes it over to find it. */
export class QueryJob extends Schema.Class<QueryJob>("@remote-agent/domain/QueryJob")({
  id: Schema.String,
  /** Where its files are in the sandbox. */
  directory: Schema.String,
  /** Present when a budget allowed it less time than it had otherwise: then that is how long it may take in all. */
  timeLeft: Schema.optionalKey(TimeLeft)
}) {}

/** How long a query may take. */
export class QueryTimeouts extends Schema.Class<QueryTimeouts>("@remote-agent/domain/QueryTimeouts")({
  /** In all. */
  wall: Schema.optionalKey(Schema.Duration),
  /** Without saying anything. */
  idle: Schema.optionalKey(Schema.Duration)
}) {}

/** A span of whatever trace, as the header `traceparent` of W3C Trace Context names it. */
export const TracePlace = Schema.String.check(Schema.isPattern(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/))
export type TracePlace = typeof TracePlace.Type

/** The name of a model: not a flag, and without blanks. */
export const ModelName = Schema.String.check(
  Schema.isPattern(/^[^\s\p{Cc}-][^\s\p{Cc}]{0,199}$/u, { expected: "the name of a model, without blanks" })
)

/** How many steps an agent may take. */
export const Steps = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))

/** One question to one agent, and how it ended once it did. */
export class Query extends Schema.Class<Query>("@remote-agent/domain/Query")({
  id: QueryId,
  agentId: AgentId,
  text: Schema.String,
  /** The conversation that it belongs to; queries of one session see the earlier turns. */
  session: Schema.optionalKey(Schema.String),
  /** Whether the session begins anew with it. */
  newSession: Schema.optionalKey(Schema.Boolean),
  /** False when it must not wake an agent that sleeps to begin. */
  resume: Schema.optionalKey(Schema.Boolean),
  /** Instead of the one of the profile. */
  model: Schema.optionalKey(ModelName),
  /** How many steps the agent may take for it; as many as the agent's own settings say when absent. */
  maxIterations: Schema.optionalKey(Steps),
  /** The most that it may use by itself. */
  budget: Schema.optionalKey(Budget),
  status: QueryStatus,
  outcome: Schema.optionalKey(Outcome),
  /** Why there is no answer, in the words of its result. */
  error: Schema.optionalKey(Schema.String),
  /** What it used, once it has ended. */
  usage: Schema.optionalKey(TokenUsage),
  /** Absent where the profile's own limits hold. */
  timeouts: Schema.optionalKey(QueryTimeouts),
  job: Schema.optionalKey(QueryJob),
  /** Where it was put in a trace, so that whoever works on it later goes on in the same. */
  trace: Schema.optionalKey(TracePlace),
  /** When somebody first asked for its end, and who. */
  cancelRequestedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  cancelRequestedBy: Schema.optionalKey(Schema.String),
  createdAt: Schema.DateTimeUtcFromString,
  /** When it stopped waiting for its agent. */
  startedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  endedAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
}) {}

/** What came out of a query, for whoever asked. `answer` is empty unless the outcome is `ok`. */
export class QueryResult extends Schema.Class<QueryResult>("@remote-agent/domain/QueryResult")({
  queryId: QueryId,
  agentId: AgentId,
  query: Schema.String,
  outcome: Outcome,
  answer: Schema.String,
  /** Why there is no answer; present whenever the outcome is not `ok`. */
  error: Schema.optionalKey(Schema.String),
  /** Present when a limit of ours ended it. */
  limit: Schema.optionalKey(Limit),
  sessionId: Schema.optionalKey(Schema.String),
  iterations: Schema.optionalKey(Schema.Int),
  usage: TokenUsage
}) {
  /** Whether there is an answer. */
  get ok(): boolean {
    return this.outcome === "ok"
  }
}
