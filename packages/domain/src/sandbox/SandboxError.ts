import { Duration, Schema } from "effect"
import { AttemptId, SandboxId } from "../Id.ts"
import { retryClass } from "./RetryClass.ts"

const after = { after: Schema.Duration }

/** The provider confirmed that the sandbox does not exist. Never concluded from silence. */
export class Gone extends Schema.TaggedError<Gone>()("Gone", {}) {}

/**
 * Nobody answered, or what answered was not the provider: we do not know how the sandbox is. It may hold the only
 * copy of somebody's work. `sent` is false when the request certainly never left (connection refused, no such host).
 */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { sent: Schema.Boolean }) {}

/** The sandbox sleeps; resume it first. */
export class Paused extends Schema.TaggedError<Paused>()("Paused", {}) {}

/** The sandbox reached the end of its own lifetime while it was in use. */
export class Expired extends Schema.TaggedError<Expired>()("Expired", {}) {}

/** No more sandboxes may run at once on this account. */
export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>()("QuotaExceeded", {}) {}

/** Too many requests; `retryAfter` is the provider's own word on when to come back. */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  retryAfter: Schema.optionalKey(Schema.Duration)
}) {}

/** The provider is busy and says that it changed nothing. */
export class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}

/** The key is missing, wrong, or not allowed to do this. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {}) {}

/** A create whose reply was lost, and of which the provider would not say what became of it. */
export class Ambiguous extends Schema.TaggedError<Ambiguous>()("Ambiguous", { attemptId: AttemptId }) {}

/** The provider refused the request as it stands; `detail` are its words on why. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  detail: Schema.String
}) {}

/** The provider does not offer this. */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", {
  feature: Schema.String
}) {}

/** The provider answered with a failure of its own. */
export class ProviderFailed extends Schema.TaggedError<ProviderFailed>()("ProviderFailed", {
  status: Schema.optionalKey(Schema.Int)
}) {}

/** The provider's answer did not come in time. For anything but a question, it may have been done all the same. */
export class RequestTimedOut extends Schema.TaggedError<RequestTimedOut>()("RequestTimedOut", after) {}

/** The command wrote nothing for so long that it was killed, with all it had started. */
export class IdleTimedOut extends Schema.TaggedError<IdleTimedOut>()("IdleTimedOut", after) {}

/** The command took so long that it was killed, with all it had started. */
export class WallTimedOut extends Schema.TaggedError<WallTimedOut>()("WallTimedOut", after) {}

/** The command wrote more than the caller wanted to hold in memory, and was killed. */
export class OutputTooLarge extends Schema.TaggedError<OutputTooLarge>()("OutputTooLarge", {
  limitBytes: Schema.Int
}) {}

/** No such file or folder in the sandbox. */
export class FileNotFound extends Schema.TaggedError<FileNotFound>()("FileNotFound", {
  path: Schema.String
}) {}

/** The sandbox's disk is full. */
export class NotEnoughSpace extends Schema.TaggedError<NotEnoughSpace>()("NotEnoughSpace", {}) {}

/** This machine cannot isolate sandboxes, and nobody said in words that it should do without. */
export class IsolationUnavailable extends Schema.TaggedError<IsolationUnavailable>()("IsolationUnavailable", {
  hint: Schema.String
}) {}

/** Why a sandbox operation failed. */
export const Reason = Schema.Union([
  Gone,
  Unreachable,
  Paused,
  Expired,
  QuotaExceeded,
  RateLimited,
  Busy,
  Unauthorized,
  Ambiguous,
  InvalidRequest,
  Unsupported,
  ProviderFailed,
  RequestTimedOut,
  IdleTimedOut,
  WallTimedOut,
  OutputTooLarge,
  FileNotFound,
  NotEnoughSpace,
  IsolationUnavailable
])
export type Reason = typeof Reason.Type

/** What was being done when it failed. */
export const Operation = Schema.Literals([
  "start",
  "create",
  "connect",
  "info",
  "list",
  "pause",
  "resume",
  "terminate",
  "extend",
  "snapshot",
  "removeSnapshot",
  "exec",
  "spawn",
  "terminal",
  "kill",
  "read",
  "write",
  "listFiles",
  "stat",
  "remove",
  "rename",
  "makeDir",
  "watch",
  "host"
])
export type Operation = typeof Operation.Type

/**
 * Every failure of `Sandboxes` and `Sandbox`: `operation` says where, `reason` says why.
 * Recover with `Effect.catchReason("SandboxError", "Gone", …)`.
 */
export class SandboxError extends Schema.TaggedError<SandboxError>()("SandboxError", {
  operation: Operation,
  sandboxId: Schema.optionalKey(SandboxId),
  reason: Reason
}) {
  override get message() {
    const subject = this.sandboxId === undefined ? "the sandbox provider" : `sandbox ${this.sandboxId}`
    return `${subject} (${this.operation}): ${explain(this.reason)}`
  }

  /** Whether doing the same again may help and cannot do harm. */
  get isRetryable(): boolean {
    return retryClass(this) === "safe"
  }
}

const explain = (reason: Reason): string => {
  switch (reason._tag) {
    case "Gone":
      return "it no longer exists. Launch a new one."
    case "Unreachable":
      return "it could not be reached. Check the network and the provider's status, then try again."
    case "Paused":
      return "it is paused. Resume it first."
    case "Expired":
      return "its lifetime ended while it was in use. Give it a longer one (E2B_DEFAULT_TIMEOUT)."
    case "QuotaExceeded":
      return "no more sandboxes may run at once. Terminate some, or raise the limit of your account."
    case "RateLimited":
      return reason.retryAfter === undefined
        ? "too many requests. Wait a little, then try again."
        : `too many requests. Try again in ${Duration.format(reason.retryAfter)}.`
    case "Busy":
      return "the provider is busy and changed nothing. Try again in a moment."
    case "Unauthorized":
      return "the key was not accepted. Check E2B_API_KEY."
    case "Ambiguous":
      return `the reply was lost and the provider does not say what became of attempt ${reason.attemptId}. Look for it with \`remote-agent reap --dry-run\`.`
    case "InvalidRequest":
      return `the request was refused: ${reason.detail}`
    case "Unsupported":
      return `${reason.feature} is not available with this provider. Use another provider, or do without.`
    case "ProviderFailed":
      return `the provider failed${reason.status === undefined ? "" : ` with status ${reason.status}`}. Try again, and look at its status page if that does not help.`
    case "RequestTimedOut":
      return `no answer within ${Duration.format(reason.after)}. Try again.`
    case "IdleTimedOut":
      return `the command was silent for ${Duration.format(reason.after)} and was killed. Allow a longer silence, or find out why it hangs.`
    case "WallTimedOut":
      return `the command took longer than ${Duration.format(reason.after)} and was killed. Allow it more time.`
    case "OutputTooLarge":
      return `the command wrote more than ${reason.limitBytes} bytes and was killed. Stream its output instead, or write it to a file.`
    case "FileNotFound":
      return `there is no ${JSON.stringify(reason.path)}. Check the path.`
    case "NotEnoughSpace":
      return "its disk is full. Remove files, or take a larger one."
    case "IsolationUnavailable":
      return `this machine cannot isolate sandboxes. ${reason.hint}`
  }
}

/** A {@link SandboxError} in fewer words. */
export const fail = (operation: Operation, reason: Reason, sandboxId?: SandboxId | undefined): SandboxError =>
  new SandboxError({ operation, reason, ...(sandboxId === undefined ? {} : { sandboxId }) })
