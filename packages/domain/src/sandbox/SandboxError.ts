import { Duration, Schema } from "effect"
import { AttemptId, SandboxId } from "../Id.ts"
import type { RetryClass } from "./RetryClass.ts"

const after = { after: Schema.Duration }

/** The provider confirmed that the sandbox does not exist. A sandbox that does not answer is `Unreachable` instead. */
export class Gone extends Schema.TaggedError<Gone>()("Gone", {}) {
  override get message() {
    return "it no longer exists. Launch a new one."
  }
}

/**
 * The provider did not answer, so the state of the sandbox is unknown. It may hold the only copy of someone's work.
 * `sent` is false when the request certainly never left this machine (connection refused, no such host).
 */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { sent: Schema.Boolean }) {
  override get message() {
    return "it could not be reached. Check the network and the provider's status, then try again."
  }
}

/** The sandbox is paused. Resume it first. */
export class Paused extends Schema.TaggedError<Paused>()("Paused", {}) {
  override get message() {
    return "it is paused. Resume it first."
  }
}

/** The ttl of the sandbox ran out while it was in use. */
export class Expired extends Schema.TaggedError<Expired>()("Expired", {}) {
  override get message() {
    return "its ttl ran out while it was in use. Give it a longer one (E2B_DEFAULT_TIMEOUT)."
  }
}

/** The account has reached its limit of sandboxes that run at the same time. */
export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>()("QuotaExceeded", {}) {
  override get message() {
    return "no more sandboxes may run at once. Terminate some, or raise the limit of your account."
  }
}

/** Too many requests. `retryAfter` is how long the provider asks to wait, when it says so. */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  retryAfter: Schema.optionalKey(Schema.Duration)
}) {
  override get message() {
    return this.retryAfter === undefined
      ? "too many requests. Wait a little, then try again."
      : `too many requests. Try again in ${Duration.format(this.retryAfter)}.`
  }
}

/** The provider is busy and reports that it changed nothing. */
export class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {
  override get message() {
    return "the provider is busy and changed nothing. Try again in a moment."
  }
}

/** The API key is missing, wrong, or not allowed to do this. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {}) {
  override get message() {
    return "the key was not accepted. Check E2B_API_KEY."
  }
}

/** The reply to a create was lost, and the provider does not say whether the sandbox exists. */
export class Ambiguous extends Schema.TaggedError<Ambiguous>()("Ambiguous", { attemptId: AttemptId }) {
  override get message() {
    return `the reply was lost, and the provider does not say whether attempt ${this.attemptId} made a sandbox. Look for it with \`remote-agent reap --dry-run\`.`
  }
}

/** The provider refused the request. `detail` is the provider's explanation. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  detail: Schema.String
}) {
  override get message() {
    return `the request was refused: ${this.detail}`
  }
}

/** The provider does not offer this feature. */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", {
  feature: Schema.String
}) {
  override get message() {
    return `${this.feature} is not available with this provider. Use another provider, or do without.`
  }
}

/** The provider failed on its own side. */
export class ProviderFailed extends Schema.TaggedError<ProviderFailed>()("ProviderFailed", {
  status: Schema.optionalKey(Schema.Int)
}) {
  override get message() {
    return `the provider failed${this.status === undefined ? "" : ` with status ${this.status}`}. Try again, and look at its status page if that does not help.`
  }
}

/** The provider did not answer in time. A request that changes something may have been carried out all the same. */
export class RequestTimedOut extends Schema.TaggedError<RequestTimedOut>()("RequestTimedOut", after) {
  override get message() {
    return `no answer within ${Duration.format(this.after)}. Try again.`
  }
}

/** The command wrote nothing for longer than its idle timeout. It and every process it started were killed. */
export class IdleTimedOut extends Schema.TaggedError<IdleTimedOut>()("IdleTimedOut", after) {
  override get message() {
    return `the command was silent for ${Duration.format(this.after)} and was killed. Allow a longer silence, or find out why it hangs.`
  }
}

/** The command ran for longer than its wall timeout. It and every process it started were killed. */
export class WallTimedOut extends Schema.TaggedError<WallTimedOut>()("WallTimedOut", after) {
  override get message() {
    return `the command took longer than ${Duration.format(this.after)} and was killed. Allow it more time.`
  }
}

/** The command wrote more than the caller holds in memory, and was killed. */
export class OutputTooLarge extends Schema.TaggedError<OutputTooLarge>()("OutputTooLarge", {
  limitBytes: Schema.Int
}) {
  override get message() {
    return `the command wrote more than ${this.limitBytes} bytes and was killed. Stream its output instead, or write it to a file.`
  }
}

/** A file has more bytes than the caller accepts. Nothing of it was kept. */
export class FileTooLarge extends Schema.TaggedError<FileTooLarge>()("FileTooLarge", {
  path: Schema.String,
  limitBytes: Schema.Int
}) {
  override get message() {
    return `${JSON.stringify(this.path)} has more than ${this.limitBytes} bytes, or no end. Copy a part of it, or raise the limit.`
  }
}

/** The sandbox has no file or folder at this path. */
export class FileNotFound extends Schema.TaggedError<FileNotFound>()("FileNotFound", {
  path: Schema.String
}) {
  override get message() {
    return `there is no ${JSON.stringify(this.path)}. Check the path.`
  }
}

/** The disk of the sandbox is full. */
export class NotEnoughSpace extends Schema.TaggedError<NotEnoughSpace>()("NotEnoughSpace", {}) {
  override get message() {
    return "its disk is full. Remove files, or take a larger one."
  }
}

/** This machine cannot isolate sandboxes, and running without isolation was not allowed. */
export class IsolationUnavailable extends Schema.TaggedError<IsolationUnavailable>()("IsolationUnavailable", {
  hint: Schema.String
}) {
  override get message() {
    return `this machine cannot isolate sandboxes. ${this.hint}`
  }
}

/**
 * Why a sandbox operation failed.
 *
 * @category models
 * @since 0.1.0
 */
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
  FileTooLarge,
  FileNotFound,
  NotEnoughSpace,
  IsolationUnavailable
])
export type Reason = typeof Reason.Type

interface Properties {
  /** The provider's API answers it, rather than the sandbox itself. */
  readonly controlPlane: boolean
  /** Doing it twice has the same effect as doing it once. */
  readonly idempotent: boolean
}

const inSandbox = (idempotent: boolean): Properties => ({ controlPlane: false, idempotent })
const atProvider = (idempotent: boolean): Properties => ({ controlPlane: true, idempotent })

/** Every operation with its properties: the one list of operations. A pause that is cut short can cost the sandbox. */
const properties = {
  start: inSandbox(false),
  create: atProvider(false),
  connect: atProvider(true),
  info: atProvider(true),
  list: atProvider(true),
  pause: atProvider(false),
  resume: atProvider(true),
  terminate: atProvider(true),
  extend: atProvider(true),
  snapshot: atProvider(false),
  removeSnapshot: atProvider(true),
  exec: inSandbox(false),
  spawn: inSandbox(false),
  terminal: inSandbox(false),
  kill: inSandbox(true),
  read: inSandbox(true),
  write: inSandbox(true),
  listFiles: inSandbox(true),
  stat: inSandbox(true),
  remove: inSandbox(true),
  rename: inSandbox(false),
  makeDir: inSandbox(true),
  watch: inSandbox(true),
  host: inSandbox(true)
} as const satisfies Readonly<Record<string, Properties>>

/**
 * The operation that failed.
 *
 * @category models
 * @since 0.1.0
 */
export const Operation = Schema.Literals(Object.keys(properties) as ReadonlyArray<keyof typeof properties>)
export type Operation = typeof Operation.Type

/**
 * Tells whether the provider's API answers an operation, rather than the sandbox itself.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isControlPlane = (operation: Operation): boolean => properties[operation].controlPlane

/**
 * Classifies a failure by its operation and reason.
 *
 * @category retry
 * @since 0.1.0
 */
export const retryClass = ({
  operation,
  reason
}: {
  readonly operation: Operation
  readonly reason: Reason
}): RetryClass => {
  const { idempotent } = properties[operation]
  switch (reason._tag) {
    case "RateLimited":
    case "Busy":
    case "QuotaExceeded":
      return "safe"
    case "Unreachable":
      return reason.sent && !idempotent ? "ambiguous" : "safe"
    case "RequestTimedOut":
    case "ProviderFailed":
      return idempotent ? "safe" : "ambiguous"
    case "Ambiguous":
      return "ambiguous"
    default:
      return "never"
  }
}

/**
 * Every failure of `Sandboxes` and `Sandbox`.
 *
 * **Details**
 *
 * `operation` names the call that failed, `reason` the cause. Recover by reason:
 * `Effect.catchReason("SandboxError", "Gone", …)`.
 *
 * @category errors
 * @since 0.1.0
 */
export class SandboxError extends Schema.TaggedError<SandboxError>()("SandboxError", {
  operation: Operation,
  sandboxId: Schema.optionalKey(SandboxId),
  reason: Reason
}) {
  override get message() {
    const subject = this.sandboxId === undefined ? "the sandbox provider" : `sandbox ${this.sandboxId}`
    return `${subject} (${this.operation}): ${this.reason.message}`
  }

  /** Whether trying again may help and cannot do harm. */
  get isRetryable(): boolean {
    return retryClass(this) === "safe"
  }
}

/**
 * Makes a {@link SandboxError} from its operation and reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fail = (operation: Operation, reason: Reason, sandboxId?: SandboxId | undefined): SandboxError =>
  new SandboxError({ operation, reason, ...(sandboxId === undefined ? {} : { sandboxId }) })
