import { Schema } from "effect"
import { TokenUsage } from "./TokenUsage.ts"

/**
 * How a query ended.
 *
 * **Details**
 *
 * - `ok`: there is an answer.
 * - `error`: the agent reported that it could not answer; `error` holds its words.
 * - `max_iterations`: the agent reached its limit of steps.
 * - `denied`: the agent asked for something that it was not allowed to do.
 * - `empty`: the agent finished without an answer.
 * - `aborted`: the query was cancelled.
 * - `timeout`: the query took too long or was silent for too long, and its process was killed.
 * - `crash`: the agent ended without a result, with any exit code.
 *
 * @category models
 * @since 0.1.0
 */
export const Outcome = Schema.Literals([
  "ok",
  "error",
  "max_iterations",
  "denied",
  "empty",
  "aborted",
  "timeout",
  "crash"
])
export type Outcome = typeof Outcome.Type

/**
 * The limit that ended a query: the idle timeout (`idle`), the wall timeout (`wall`), or a budget of the query, of its
 * agent or of its pool (`budget`).
 *
 * @category models
 * @since 0.1.0
 */
export const Limit = Schema.Literals(["idle", "wall", "budget"])
export type Limit = typeof Limit.Type

/**
 * The fields of a result: what the last event of an agent and the result of a query have in common.
 *
 * @category models
 * @since 0.1.0
 */
export const resultFields = {
  outcome: Outcome,
  answer: Schema.String,
  /** Why there is no answer. */
  error: Schema.optionalKey(Schema.String),
  /** Present when a timeout or a budget ended the query. */
  limit: Schema.optionalKey(Limit),
  sessionId: Schema.optionalKey(Schema.String),
  iterations: Schema.optionalKey(Schema.Int),
  usage: TokenUsage
}
