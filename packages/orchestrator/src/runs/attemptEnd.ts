import {
  type OrchestratorError,
  type Query,
  type RunTransition,
  TokenUsage,
  UsageLimit
} from "@remote-agent/domain"
import { type DateTime, Option } from "effect"
import { programMissing } from "../queries/queryOutcome.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * Whether a failure means that the agent takes no more queries: it was lost or terminated.
 *
 * @category predicates
 * @since 0.2.0
 */
export const endsAgent = ({ reason }: Failure): boolean =>
  reason._tag === "AgentLost" || reason._tag === "AgentNotReady" || reason._tag === "AgentNotFound"

/**
 * Whether a launch that failed so would fail again in the same way.
 *
 * @category predicates
 * @since 0.2.0
 */
export const isPermanent = ({ reason }: Failure): boolean =>
  reason._tag === "UnknownProfile" || reason._tag === "NotConfigured" || reason._tag === "IsolationRequired"

/**
 * Decides how an attempt ended, from the record of its query, the answer in its log, and the failure of its stream.
 *
 * **Details**
 *
 * Returns undefined when that is not known: the query may still run, and is followed later.
 *
 * @category constructors
 * @since 0.2.0
 */
export const attemptEnd = (
  query: Query.Query,
  answer: string,
  failure: Failure | undefined,
  now: DateTime.Utc
): RunTransition.AttemptEnd | undefined => {
  if (query.status === "queued") {
    return failure !== undefined && endsAgent(failure)
      ? { _tag: "NotStarted", problem: failure.message }
      : undefined
  }
  if (query.status !== "ended") return undefined
  const { error, outcome = "crash", usage = TokenUsage.zero } = query
  // Its id was reserved, so it will not be started either.
  if (outcome === "crash" && error === programMissing) return { _tag: "NotStarted", problem: error }
  const budgetReached =
    failure?.reason._tag === "BudgetExceeded" && failure.reason.of === "pool" && outcome === "aborted"
  return {
    _tag: "Answered",
    outcome,
    answer,
    usage,
    budgetReached,
    ...(outcome === "ok" || error === undefined
      ? {}
      : { limitedUntil: Option.getOrUndefined(UsageLimit.resetOf(error, now)) }),
    ...(error === undefined ? {} : { error })
  }
}
