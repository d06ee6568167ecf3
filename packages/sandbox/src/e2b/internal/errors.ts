import { FetchFailure, type Id, SandboxError } from "@remote-agent/domain"
import type * as Sdk from "e2b"
import { Data } from "effect"
import type { Heard } from "./retryAfter.ts"

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

/** A rejection of the SDK that has not been read yet. */
export class Rejected extends Data.TaggedError("Rejected")<{ readonly cause: unknown }> {}

/** What was asked, so that the same error can be read differently for different questions. */
export interface Asked {
  readonly operation: SandboxError.Operation
  readonly sandboxId?: Id.SandboxId | undefined
  readonly path?: string | undefined
  /** Who was to run the program, where that was said. */
  readonly user?: string | undefined
  /** What was heard of the answer beside what the SDK tells. */
  readonly heard?: Heard | undefined
}

/**
 * What a rejection of the SDK means.
 *
 * - `known`: this is the reason.
 * - `vanished`: the sandbox did not answer as a running one would: it is gone, paused, or out of reach. Only asking
 *   the control plane tells which.
 */
export type Verdict =
  | { readonly _tag: "known"; readonly reason: SandboxError.Reason }
  | { readonly _tag: "vanished" }

const known = (reason: SandboxError.Reason): Verdict => ({ _tag: "known", reason })

const unreachable = (sent: boolean): Verdict => known(new SandboxError.Unreachable({ sent }))

/**
 * Reads a rejection of the SDK by its class, its HTTP status and its system code, never by its text. The table is
 * the one observed for e2b 2.51.0; the SDK keeps no other trace of the protocol.
 */
export const verdict = (sdk: Classes, cause: unknown, asked: Asked): Verdict => {
  if (cause instanceof sdk.AuthenticationError) {
    // A sandbox never sees the key, and says of a user that it does not have what it says of a wrong token.
    return asked.user === undefined
      ? known(new SandboxError.Unauthorized({}))
      : known(new SandboxError.InvalidRequest({ detail: oneLine(cause.message) }))
  }
  if (cause instanceof sdk.ServiceBusyError) return known(new SandboxError.Busy({}))
  if (cause instanceof sdk.RateLimitError) return known(tooMany(asked))
  if (cause instanceof sdk.FileNotFoundError) {
    return known(new SandboxError.FileNotFound({ path: asked.path ?? "" }))
  }
  if (cause instanceof sdk.SandboxNotFoundError) {
    return isControlPlane(asked.operation) ? known(new SandboxError.Gone({})) : { _tag: "vanished" }
  }
  if (cause instanceof sdk.NotEnoughSpaceError) return known(new SandboxError.NotEnoughSpace({}))
  // A template with a daemon that is too old for the SDK: the next try fails the same way.
  if (cause instanceof sdk.InvalidArgumentError || cause instanceof sdk.TemplateError) {
    return known(new SandboxError.InvalidRequest({ detail: oneLine(cause.message) }))
  }
  if (cause instanceof sdk.NotFoundError) {
    return asked.path === undefined
      ? known(new SandboxError.InvalidRequest({ detail: "no such process" }))
      : known(new SandboxError.FileNotFound({ path: asked.path }))
  }
  if (cause instanceof sdk.TimeoutError) return { _tag: "vanished" }
  if (cause instanceof sdk.SandboxError) return byStatus(cause.statusCode, cause.message, asked)
  if (!FetchFailure.mayBeSent(cause)) return unreachable(false)
  return isControlPlane(asked.operation) ? unreachable(true) : { _tag: "vanished" }
}

/**
 * E2B answers 429 to too many requests and to too many sandboxes. Only its limit of requests says when to come back,
 * and only what would have one more sandbox run can exceed the other.
 */
const tooMany = ({ heard, operation }: Asked): SandboxError.Reason => {
  if (heard?.retryAfter !== undefined) return new SandboxError.RateLimited({ retryAfter: heard.retryAfter })
  return heard?.status === 429 && running.has(operation)
    ? new SandboxError.QuotaExceeded({})
    : new SandboxError.RateLimited({})
}

const running: ReadonlySet<SandboxError.Operation> = new Set(["create", "connect", "resume"])

const byStatus = (status: number | undefined, message: string, asked: Asked): Verdict => {
  if (status === undefined) return { _tag: "vanished" }
  if (status === 400 || status === 403 || (status === 404 && asked.operation === "create")) {
    return known(new SandboxError.InvalidRequest({ detail: oneLine(message) }))
  }
  if (status === 409) return known(new SandboxError.Busy({}))
  if (status === 507) return known(new SandboxError.NotEnoughSpace({}))
  return known(new SandboxError.ProviderFailed({ status }))
}

// The provider's words are shown to people; a page of HTML from a proxy is not.
const oneLine = (message: string): string => message.split("\n", 1)[0]?.slice(0, 300) ?? ""

const controlPlane: ReadonlySet<SandboxError.Operation> = new Set([
  "create",
  "connect",
  "info",
  "list",
  "pause",
  "resume",
  "terminate",
  "extend",
  "snapshot",
  "removeSnapshot"
])

/** Whether an operation is answered by the provider's API rather than by the sandbox itself. */
export const isControlPlane = (operation: SandboxError.Operation): boolean => controlPlane.has(operation)
