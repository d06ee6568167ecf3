/**
 * The bodies of requests about queries, and what is answered.
 *
 * @since 0.2.0
 */
import { AgentEvent, Budget, Query } from "@remote-agent/domain"
import { Schema } from "effect"
import { Environment } from "../agents/AgentRequests.ts"
import { DurationText } from "../DurationText.ts"

/**
 * A query and how it is run.
 *
 * @category schemas
 * @since 0.2.0
 */
export const QueryRequest = Schema.Struct({
  text: Schema.String.check(Schema.isNonEmpty()),
  /** The session that the query belongs to. Without one it is a conversation of its own. */
  session: Schema.optionalKey(Schema.String),
  newSession: Schema.optionalKey(Schema.Boolean),
  /** Whether a query without a session continues the conversation of the agent's last query. */
  continue: Schema.optionalKey(Schema.Boolean),
  /** How long the answer may take. */
  timeout: Schema.optionalKey(DurationText),
  /** False when a paused agent must not be resumed. */
  resume: Schema.optionalKey(Schema.Boolean),
  /** Gives an agent that is lost or failed a new sandbox first. */
  replace: Schema.optionalKey(Schema.Union([Schema.Boolean, Schema.Struct({ env: Environment })])),
  model: Schema.optionalKey(Query.ModelName),
  maxIterations: Schema.optionalKey(Query.Steps),
  budget: Schema.optionalKey(Budget.Budget)
})
/** @since 0.2.0 */
export type QueryRequest = typeof QueryRequest.Type

/**
 * A query, and its result once it has ended.
 *
 * @category schemas
 * @since 0.2.0
 */
export const QueryAnswer = Schema.Struct({
  query: Query.Query,
  result: Schema.optionalKey(Query.QueryResult)
})

/**
 * One event of a stream of Server-Sent Events. Its `id` is the `seq` of the event, so that `Last-Event-ID` continues
 * the stream without a gap and without a repetition.
 *
 * @category schemas
 * @since 0.2.0
 */
export const QueryEvent = Schema.Struct({
  id: Schema.String,
  event: Schema.String,
  data: Schema.fromJsonString(Schema.toCodecJson(AgentEvent.EventRecord))
})
