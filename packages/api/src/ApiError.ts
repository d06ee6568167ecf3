/**
 * The errors of the HTTP API. All have one shape; the class decides the status.
 *
 * @since 0.2.0
 */
import { GitError, GitHubError, OrchestratorError, SandboxError, StateStoreError } from "@remote-agent/domain"
import { Schema } from "effect"

/**
 * The typed failure behind an error, as the library fails with it.
 *
 * @category models
 * @since 0.2.0
 */
export const Failure = Schema.Union([
  OrchestratorError.OrchestratorError,
  StateStoreError.StateStoreError,
  SandboxError.SandboxError,
  GitError.GitError,
  GitHubError.GitHubError
])
/** @since 0.2.0 */
export type Failure = typeof Failure.Type

/**
 * The shape of every error: what failed, why, and whether to try again.
 *
 * @category models
 * @since 0.2.0
 */
export const Detail = Schema.Struct({
  /** The name of the reason, such as `AgentNotFound`. */
  reason: Schema.String,
  message: Schema.String,
  /** Whether trying again may help and cannot do harm. */
  retryable: Schema.Boolean,
  /** The failure with its fields. Absent for errors of the server itself. */
  failure: Schema.optionalKey(Failure)
})
/** @since 0.2.0 */
export type Detail = typeof Detail.Type

const fields = { error: Detail }

/**
 * The request cannot be carried out as it is.
 *
 * @category errors
 * @since 0.2.0
 */
export class Invalid extends Schema.TaggedError<Invalid>()("Invalid", fields, { httpApiStatus: 400 }) {}

/**
 * There is no token, or it is unknown, revoked or expired.
 *
 * @category errors
 * @since 0.2.0
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", fields, {
  httpApiStatus: 401
}) {}

/**
 * The scope of the token does not allow the request.
 *
 * @category errors
 * @since 0.2.0
 */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", fields, { httpApiStatus: 403 }) {}

/**
 * The agent, query or pool in the request does not exist.
 *
 * @category errors
 * @since 0.2.0
 */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", fields, { httpApiStatus: 404 }) {}

/**
 * The agent, query or pool is in a state that does not allow the request.
 *
 * @category errors
 * @since 0.2.0
 */
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", fields, { httpApiStatus: 409 }) {}

/**
 * The sandbox of the agent is confirmed gone.
 *
 * @category errors
 * @since 0.2.0
 */
export class Gone extends Schema.TaggedError<Gone>()("Gone", fields, { httpApiStatus: 410 }) {}

/**
 * The record changed since the revision that `If-Match` names.
 *
 * @category errors
 * @since 0.2.0
 */
export class PreconditionFailed extends Schema.TaggedError<PreconditionFailed>()(
  "PreconditionFailed",
  fields,
  { httpApiStatus: 412 }
) {}

/**
 * The body of the request is larger than the server accepts.
 *
 * @category errors
 * @since 0.2.0
 */
export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", fields, {
  httpApiStatus: 413
}) {}

/**
 * The server lacks a setting, a key or a budget that the request needs.
 *
 * @category errors
 * @since 0.2.0
 */
export class Unprocessable extends Schema.TaggedError<Unprocessable>()("Unprocessable", fields, {
  httpApiStatus: 422
}) {}

/**
 * A limit was reached. Try again later.
 *
 * @category errors
 * @since 0.2.0
 */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()("TooManyRequests", fields, {
  httpApiStatus: 429
}) {}

/**
 * The provider, the agent's program or git failed.
 *
 * @category errors
 * @since 0.2.0
 */
export class BadGateway extends Schema.TaggedError<BadGateway>()("BadGateway", fields, {
  httpApiStatus: 502
}) {}

/**
 * The state store did not answer.
 *
 * @category errors
 * @since 0.2.0
 */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", fields, {
  httpApiStatus: 503
}) {}

/**
 * Every error that an endpoint may answer with, in the order of their statuses.
 *
 * @category errors
 * @since 0.2.0
 */
export const all = [
  Invalid,
  NotFound,
  Conflict,
  Gone,
  PreconditionFailed,
  PayloadTooLarge,
  Unprocessable,
  TooManyRequests,
  BadGateway,
  Unavailable
] as const

/**
 * Any error of {@link all}.
 *
 * @category models
 * @since 0.2.0
 */
export type ApiError = InstanceType<(typeof all)[number]>

/** Reasons that are not those of another failure. */
type Own = Exclude<OrchestratorError.Reason["_tag"], "LaunchFailed" | "SandboxFailed" | "StoreFailed">

const ofOrchestrator = (tag: Own): (typeof all)[number] => {
  switch (tag) {
    case "AgentNotFound":
    case "QueryNotFound":
    case "PoolNotFound":
    case "RunNotFound":
      return NotFound
    case "AgentLost":
      return Gone
    case "AgentNotReady":
    case "AgentPaused":
    case "OtherProfile":
    case "OtherProvider":
    case "PoolClosed":
    case "QueryRunning":
    case "RunOver":
    case "TakenOver":
      return Conflict
    case "BudgetExceeded":
    case "GitRequired":
    case "IsolationRequired":
    case "NoRepository":
    case "NoSessions":
    case "NotConfigured":
      return Unprocessable
    case "OptionUnsupported":
    case "TimeoutTooLong":
    case "UnknownProfile":
      return Invalid
    case "LaunchesSuspended":
    case "PoolFull":
      return TooManyRequests
    case "QueryFailed":
    case "UpdateFailed":
      return BadGateway
  }
}

const ofStore = (tag: StateStoreError.Reason["_tag"]): (typeof all)[number] => {
  switch (tag) {
    case "NotFound":
      return NotFound
    case "AlreadyExists":
    case "ClaimLost":
    case "Fenced":
    case "IllegalMove":
    case "LeaseHeld":
    case "LeaseLost":
    case "LogClosed":
    case "NameTaken":
    case "RevisionConflict":
      return Conflict
    case "InvalidDocument":
      return Invalid
    default:
      return Unavailable
  }
}

const ofSandbox = (tag: SandboxError.Reason["_tag"]): (typeof all)[number] => {
  switch (tag) {
    case "Gone":
      return Gone
    case "FileNotFound":
      return NotFound
    case "Paused":
      return Conflict
    case "InvalidRequest":
      return Invalid
    case "Busy":
    case "QuotaExceeded":
    case "RateLimited":
      return TooManyRequests
    case "IsolationUnavailable":
    case "Unsupported":
      return Unprocessable
    default:
      return BadGateway
  }
}

const ofGit = (tag: GitError.Reason["_tag"]): (typeof all)[number] => {
  switch (tag) {
    case "InvalidName":
      return Invalid
    case "RefNotFound":
    case "RepositoryNotFound":
      return NotFound
    case "BranchExists":
    case "Conflict":
    case "ConflictMarkers":
    case "DetachedHead":
    case "FolderNotEmpty":
    case "Locked":
    case "NestedRepositories":
    case "NonFastForward":
    case "NothingToCommit":
    case "OperationInProgress":
    case "RefConflict":
      return Conflict
    default:
      return BadGateway
  }
}

const classOf = (failure: Failure): (typeof all)[number] => {
  switch (failure._tag) {
    case "OrchestratorError": {
      const { reason } = failure
      switch (reason._tag) {
        case "SandboxFailed":
        case "StoreFailed":
        case "LaunchFailed":
          return "reason" in reason.cause ? classOf(reason.cause) : BadGateway
        default:
          return ofOrchestrator(reason._tag)
      }
    }
    case "StateStoreError":
      return ofStore(failure.reason._tag)
    case "SandboxError":
      return ofSandbox(failure.reason._tag)
    case "GitError":
      return ofGit(failure.reason._tag)
    case "GitHubError":
      return failure.reason._tag === "NotFound" ? NotFound : BadGateway
  }
}

/**
 * Maps a failure to the error that is sent.
 *
 * @category conversions
 * @since 0.2.0
 */
export const fromFailure = (failure: Failure): ApiError => {
  const Class = classOf(failure)
  return new Class({
    error: {
      reason: failure.reason._tag,
      message: failure.message,
      retryable: "isRetryable" in failure && failure.isRetryable,
      failure
    }
  })
}
