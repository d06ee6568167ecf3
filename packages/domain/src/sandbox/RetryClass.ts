import type { SandboxError } from "./SandboxError.ts"

/**
 * What may be done after a failure.
 *
 * - `safe`: try again; nothing was changed, or doing it twice is the same as doing it once.
 * - `ambiguous`: it may have happened; find out first.
 * - `never`: the same request will fail the same way.
 */
export type RetryClass = "safe" | "ambiguous" | "never"

/** Operations that may be repeated: doing them twice is the same as doing them once. */
const idempotent: Readonly<Record<SandboxError["operation"], boolean>> = {
  start: false,
  create: false,
  connect: true,
  info: true,
  list: true,
  pause: false,
  resume: true,
  terminate: true,
  extend: true,
  snapshot: false,
  removeSnapshot: true,
  exec: false,
  spawn: false,
  terminal: false,
  kill: true,
  read: true,
  write: true,
  listFiles: true,
  stat: true,
  remove: true,
  rename: false,
  makeDir: true,
  watch: true,
  host: true
}

/**
 * The class of a failure, from what was being done and why it failed. A pause is not repeated blindly: at E2B a
 * pause that is cut short can cost the sandbox.
 */
export const retryClass = (error: Pick<SandboxError, "operation" | "reason">): RetryClass => {
  switch (error.reason._tag) {
    case "RateLimited":
    case "Busy":
    case "QuotaExceeded":
      return "safe"
    case "Unreachable":
      return error.reason.sent && !idempotent[error.operation] ? "ambiguous" : "safe"
    case "RequestTimedOut":
    case "ProviderFailed":
      return idempotent[error.operation] ? "safe" : "ambiguous"
    case "Ambiguous":
      return "ambiguous"
    case "Gone":
    case "Paused":
    case "Expired":
    case "Unauthorized":
    case "InvalidRequest":
    case "Unsupported":
    case "IdleTimedOut":
    case "WallTimedOut":
    case "OutputTooLarge":
    case "FileNotFound":
    case "NotEnoughSpace":
    case "IsolationUnavailable":
      return "never"
  }
}
