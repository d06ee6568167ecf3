import type { ApiError } from "@remote-agent/api"
import {
  type GitError,
  type GitHubError,
  OrchestratorError,
  SandboxError,
  StateStoreError
} from "@remote-agent/domain"
import type { Schema } from "effect"
import type { HttpClientError } from "effect/http"
import type { Sse } from "effect/encoding"

/** What a call of the client fails with. */
export type Raw =
  | ApiError.ApiError
  | ApiError.Forbidden
  | ApiError.Unauthorized
  | HttpClientError.HttpClientError
  | Schema.SchemaError
  | Sse.SseError
  | Sse.Retry

const isAnswer = (error: Raw): error is ApiError.ApiError | ApiError.Forbidden | ApiError.Unauthorized =>
  "error" in error

/** Whether the server may not have got the request, or its answer was lost: it may be sent again under its key. */
export const isLost = (error: Raw): boolean =>
  error._tag === "HttpClientError" && error.reason._tag === "TransportError"

const reasonOf = (server: string, error: Raw): StateStoreError.Reason => {
  if (isAnswer(error)) {
    const { message, reason } = error.error
    return new StateStoreError.ServerRefused({ server, refusal: reason, detail: message })
  }
  if (isLost(error)) {
    return new StateStoreError.Unavailable({ store: `the server at ${server}`, obstacle: "unreachable" })
  }
  return new StateStoreError.ServerRefused({
    server,
    refusal: "UnknownAnswer",
    detail: "Its answer cannot be read. Use the same version here and there."
  })
}

/** The failure behind an error: as the server failed, or that of the server itself. */
const failureOf = (server: string, operation: string, error: Raw): ApiError.Failure => {
  const failure = isAnswer(error) ? error.error.failure : undefined
  return failure ?? new StateStoreError.StateStoreError({ operation, reason: reasonOf(server, error) })
}

/** Maps errors of a server to the failures of each service. */
export interface Failures {
  readonly store: (operation: string) => (error: Raw) => StateStoreError.StateStoreError
  readonly orchestrator: (operation: string) => (error: Raw) => OrchestratorError.OrchestratorError
  readonly repositories: (
    operation: string
  ) => (error: Raw) => GitError.GitError | GitHubError.GitHubError | OrchestratorError.OrchestratorError
  readonly sandbox: (operation: SandboxError.Operation) => (error: Raw) => SandboxError.SandboxError
  /** A failure of the records as a failure of the orchestrator. */
  readonly ofStore: (
    operation: string
  ) => (cause: StateStoreError.StateStoreError) => OrchestratorError.OrchestratorError
  /** The failure of what a server does not offer. */
  readonly unsupported: (operation: string) => StateStoreError.StateStoreError
}

/** The failures of a server at an address. */
export const make = (server: string): Failures => {
  const refused = (operation: string, refusal: string, detail: string) =>
    new StateStoreError.StateStoreError({
      operation,
      reason: new StateStoreError.ServerRefused({ server, refusal, detail })
    })

  const store: Failures["store"] = (operation) => (error) => {
    const failure = failureOf(server, operation, error)
    if (failure._tag === "StateStoreError") return failure
    if (failure._tag !== "OrchestratorError") {
      return refused(operation, failure.reason._tag, failure.message)
    }
    const { reason } = failure
    switch (reason._tag) {
      case "StoreFailed":
        return reason.cause
      case "AgentNotFound":
      case "QueryNotFound":
        return new StateStoreError.StateStoreError({
          operation,
          reason: new StateStoreError.NotFound({ id: reason.id })
        })
      case "PoolNotFound":
        return new StateStoreError.StateStoreError({
          operation,
          reason: new StateStoreError.NotFound({ id: reason.name })
        })
      default:
        return refused(operation, reason._tag, failure.message)
    }
  }

  const orchestrator: Failures["orchestrator"] = (operation) => (error) => {
    const failure = failureOf(server, operation, error)
    if (failure._tag === "OrchestratorError") return failure
    const reason =
      failure._tag === "SandboxError"
        ? new OrchestratorError.SandboxFailed({ cause: failure })
        : new OrchestratorError.StoreFailed({
            cause:
              failure._tag === "StateStoreError"
                ? failure
                : refused(operation, failure.reason._tag, failure.message)
          })
    return new OrchestratorError.OrchestratorError({ operation, reason })
  }

  return {
    store,
    orchestrator,
    repositories: (operation) => (error) => {
      const failure = failureOf(server, operation, error)
      return failure._tag === "GitError" || failure._tag === "GitHubError"
        ? failure
        : orchestrator(operation)(error)
    },
    sandbox: (operation) => (error) => {
      const { message, reason } = orchestrator(operation)(error)
      return reason._tag === "SandboxFailed"
        ? reason.cause
        : SandboxError.fail(operation, new SandboxError.InvalidRequest({ detail: message }))
    },
    ofStore: (operation) => (cause) =>
      new OrchestratorError.OrchestratorError({
        operation,
        reason: new OrchestratorError.StoreFailed({ cause })
      }),
    unsupported: (operation) =>
      refused(
        operation,
        "NotOffered",
        `It does not offer ${operation}. Run the command where the server runs.`
      )
  }
}
