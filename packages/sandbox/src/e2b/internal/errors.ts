import { FetchFailure, type Id, SandboxError } from "@remote-agent/domain"
import type * as Sdk from "e2b"
import { Data } from "effect"
import type { ResponseInfo } from "./retryAfter.ts"

type Classes = Pick<
  typeof Sdk,
  | "AuthenticationError"
  | "FileNotFoundError"
  | "InvalidArgumentError"
  | "NotEnoughSpaceError"
  | "NotFoundError"
  | "RateLimitError"
  | "SandboxError"
  | "SandboxNotFoundError"
  | "ServiceBusyError"
  | "TemplateError"
  | "TimeoutError"
>

/** A rejection of the SDK that has not been classified yet. */
export class Rejected extends Data.TaggedError("Rejected")<{ readonly cause: unknown }> {}

/** The call that was rejected. The same error means different things for different calls. */
export interface Call {
  readonly operation: SandboxError.Operation
  readonly sandboxId?: Id.SandboxId | undefined
  readonly path?: string | undefined
  /** The user that was to run the program, where one was given. */
  readonly user?: string | undefined
  /** The response, as far as it was recorded. */
  readonly response?: ResponseInfo | undefined
}

/**
 * The meaning of a rejection of the SDK.
 *
 * - `known`: this is the reason.
 * - `vanished`: the sandbox did not answer like a running one: it is gone, paused, or out of reach. Only the control plane
 *   knows which.
 */
export type Verdict =
  | { readonly _tag: "known"; readonly reason: SandboxError.Reason }
  | { readonly _tag: "vanished" }

const known = (reason: SandboxError.Reason): Verdict => ({ _tag: "known", reason })

const unreachable = (sent: boolean): Verdict => known(new SandboxError.Unreachable({ sent }))

/**
 * Classifies a rejection of the SDK by its class, its HTTP status and its system code, never by its text. The table was
 * observed for e2b 2.51.0; the SDK keeps no other trace of the protocol.
 */
export const classify = (sdk: Classes, cause: unknown, call: Call): Verdict => {
  if (cause instanceof sdk.AuthenticationError) {
    // A sandbox does not check the API key; it answers an unknown user the way it answers a wrong token.
    return call.user === undefined
      ? known(new SandboxError.Unauthorized({}))
      : known(new SandboxError.InvalidRequest({ detail: firstLine(cause.message) }))
  }
  if (cause instanceof sdk.ServiceBusyError) return known(new SandboxError.Busy({}))
  if (cause instanceof sdk.RateLimitError) return known(tooManyRequests(call))
  if (cause instanceof sdk.FileNotFoundError) {
    return known(new SandboxError.FileNotFound({ path: call.path ?? "" }))
  }
  if (cause instanceof sdk.SandboxNotFoundError) {
    return SandboxError.isControlPlane(call.operation)
      ? known(new SandboxError.Gone({}))
      : { _tag: "vanished" }
  }
  if (cause instanceof sdk.NotEnoughSpaceError) return known(new SandboxError.NotEnoughSpace({}))
  // A TemplateError means that the daemon in the template is too old for the SDK. Trying again does not help.
  if (cause instanceof sdk.InvalidArgumentError || cause instanceof sdk.TemplateError) {
    return known(new SandboxError.InvalidRequest({ detail: firstLine(cause.message) }))
  }
  if (cause instanceof sdk.NotFoundError) {
    return call.path === undefined
      ? known(new SandboxError.InvalidRequest({ detail: "no such process" }))
      : known(new SandboxError.FileNotFound({ path: call.path }))
  }
  if (cause instanceof sdk.TimeoutError) return { _tag: "vanished" }
  if (cause instanceof sdk.SandboxError) return byStatus(cause.statusCode, cause.message, call)
  if (!FetchFailure.mayBeSent(cause)) return unreachable(false)
  return SandboxError.isControlPlane(call.operation) ? unreachable(true) : { _tag: "vanished" }
}

/** The operations after which one more sandbox runs. */
const startsSandbox: ReadonlySet<SandboxError.Operation> = new Set(["create", "connect", "resume"])

/**
 * E2B answers 429 both to too many requests and to too many sandboxes. Only the limit of requests says how long to wait,
 * and only an operation that starts a sandbox can exceed the limit of sandboxes.
 */
const tooManyRequests = ({ operation, response }: Call): SandboxError.Reason => {
  if (response?.retryAfter !== undefined) {
    return new SandboxError.RateLimited({ retryAfter: response.retryAfter })
  }
  return response?.status === 429 && startsSandbox.has(operation)
    ? new SandboxError.QuotaExceeded({})
    : new SandboxError.RateLimited({})
}

const byStatus = (status: number | undefined, message: string, call: Call): Verdict => {
  if (status === undefined) return { _tag: "vanished" }
  if (status === 400 || status === 403 || (status === 404 && call.operation === "create")) {
    return known(new SandboxError.InvalidRequest({ detail: firstLine(message) }))
  }
  if (status === 409) return known(new SandboxError.Busy({}))
  if (status === 507) return known(new SandboxError.NotEnoughSpace({}))
  return known(new SandboxError.ProviderFailed({ status }))
}

// The provider's explanation is shown to people, but not a whole HTML page of a proxy.
const firstLine = (message: string): string => message.split("\n", 1)[0]?.slice(0, 300) ?? ""
