import { type AgentEvent, type OrchestratorError, type SandboxError, TokenUsage } from "@remote-agent/domain"
import { Duration } from "effect"
import type { ShutDown } from "../agents/AgentSandboxes.ts"
import { failedResult } from "../protocols/EventReader.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * How a query ended, as the process that runs it sees it.
 *
 * **Details**
 *
 * - `Result`: its program ended, and this is the result of the program.
 * - `Cancelled`: a caller cancelled it, or the caller that waited for it went away.
 * - `BudgetReached`: a budget was reached while it ran.
 * - `LimitReached`: its program ran on beyond a time limit that the sandbox should have enforced.
 * - `ProgramMissing`: its program is not in the sandbox.
 * - `SandboxFailed`: the sandbox failed; `meaning` is that failure as one of the agent.
 *
 * @category models
 * @since 0.1.0
 */
export type QueryEnd =
  | { readonly _tag: "Result"; readonly result: AgentEvent.ResultEvent }
  | { readonly _tag: "Cancelled" }
  | { readonly _tag: "BudgetReached"; readonly failure: Failure }
  | {
      readonly _tag: "LimitReached"
      readonly limit: "idle" | "wall"
      readonly after: Duration.Duration
    }
  | { readonly _tag: "ProgramMissing" }
  | {
      readonly _tag: "SandboxFailed"
      readonly cause: SandboxError.SandboxError
      readonly meaning: Failure
    }

/**
 * What is known of a query when it ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /** In milliseconds since 1970. */
  readonly startedAt: number
  readonly now: number
  /** What it has used, as its events tell. */
  readonly used: TokenUsage.TokenUsage
  /** How long its program was allowed to run, in milliseconds. A process that takes over may read its end much later. */
  readonly allowedMillis: number
  /** The failure of the budget that set this time; absent when the profile or the caller did. */
  readonly timeBudget: Failure | undefined
  /** What became of the sandbox, when its processes could not be killed in any other way. */
  readonly shutDown?: ShutDown | undefined
}

/**
 * The outcome of a query: the event that ends its log, and what its caller fails with beside that.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryOutcome {
  /** Absent when the query may still be running: another process can go on with it. */
  readonly result: AgentEvent.ResultEvent | undefined
  readonly failure: Failure | undefined
}

/** The message of a query that was cancelled. */
export const cancelled = "The query was cancelled before it ended."

const agentTerminated = "Its agent was terminated before the query ended."

/** The message of a query whose program was never started in the sandbox that its agent has. */
export const programMissing =
  "Its program is not in the sandbox: it was never started, or the sandbox is a new one."

/** Whether a failure says nothing of the program: it may go on, and another process can read its output. */
const isOutOfSight = ({ reason }: SandboxError.SandboxError): boolean =>
  reason._tag === "Unreachable" ||
  reason._tag === "RequestTimedOut" ||
  reason._tag === "ProviderFailed" ||
  reason._tag === "RateLimited" ||
  reason._tag === "Busy"

const isTerminated = ({ reason }: Failure): boolean =>
  reason._tag === "AgentNotReady" && reason.status === "terminated"

const shutDownText = (shutDown: ShutDown | undefined): string =>
  shutDown === undefined
    ? ""
    : ` Its processes could not be killed, so its sandbox was ${shutDown === "paused" ? "paused. They go on when it is resumed: replace or terminate the agent" : shutDown}.`

const atItsLimit = (result: AgentEvent.ResultEvent, progress: Progress): QueryOutcome => {
  const { allowedMillis, now, startedAt, timeBudget } = progress
  const wallMillis = Math.max(0, Math.min(now - startedAt, allowedMillis))
  const timed = { ...result, usage: new TokenUsage.TokenUsage({ ...result.usage, wallMillis }) }
  return timeBudget === undefined || result.limit !== "wall"
    ? { result: timed, failure: undefined }
    : {
        result: {
          ...timed,
          outcome: "aborted",
          error: timeBudget.message + shutDownText(progress.shutDown),
          limit: "budget"
        },
        failure: timeBudget
      }
}

/**
 * Decides the outcome of a query. Pure: the same end and the same progress give the same outcome.
 *
 * @category constructors
 * @since 0.1.0
 */
export const queryOutcome = (end: QueryEnd, progress: Progress): QueryOutcome => {
  const { now, startedAt, used } = progress
  const after = shutDownText(progress.shutDown)
  const failed = (outcome: AgentEvent.Outcome, error: string, limit?: AgentEvent.Limit) =>
    failedResult(outcome, error + after, Math.max(0, now - startedAt), used, limit)

  switch (end._tag) {
    case "Result":
      return end.result.limit === undefined
        ? { result: end.result, failure: undefined }
        : atItsLimit(end.result, progress)
    case "Cancelled":
      return { result: failed("aborted", cancelled), failure: undefined }
    case "BudgetReached":
      return { result: failed("aborted", end.failure.message, "budget"), failure: end.failure }
    case "LimitReached": {
      const did =
        end.limit === "wall"
          ? `was not done within ${Duration.format(end.after)}`
          : `was silent for ${Duration.format(end.after)}`
      const result = failed(
        "timeout",
        `The agent ${did}, was not stopped inside its sandbox, and was killed from outside.`,
        end.limit
      )
      return end.limit === "wall"
        ? atItsLimit(result, { ...progress, allowedMillis: Infinity })
        : { result, failure: undefined }
    }
    case "ProgramMissing":
      return { result: failed("crash", programMissing), failure: undefined }
    case "SandboxFailed": {
      const { cause, meaning } = end
      if (isOutOfSight(cause)) return { result: undefined, failure: meaning }
      return isTerminated(meaning)
        ? { result: failed("aborted", agentTerminated), failure: meaning }
        : { result: failed("crash", cause.message), failure: meaning }
    }
  }
}
