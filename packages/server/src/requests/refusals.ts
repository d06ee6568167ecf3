import { Duration } from "effect"
import { HttpServerResponse } from "effect/http"

/** An answer of the form of all errors, made before or beside the contract. */
export const refusal = (
  tag: string,
  status: number,
  reason: string,
  message: string,
  headers: Readonly<Record<string, string>> = {}
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(
    { _tag: tag, error: { reason, message, retryable: status === 429 || status === 503 } },
    { status, headers }
  )

/** The answer to a request that is one too many. */
export const tooMany = (wait: Duration.Duration): HttpServerResponse.HttpServerResponse =>
  refusal("TooManyRequests", 429, "RateLimited", "Too many requests. Wait as long as Retry-After says.", {
    "retry-after": String(Math.max(1, Math.ceil(Duration.toSeconds(wait))))
  })
