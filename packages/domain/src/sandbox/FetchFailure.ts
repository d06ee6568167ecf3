/** Codes of the system and of Node's `fetch` for a connection that was never made. */
const neverSent: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT"
])

/** The code of the system error under a failed `fetch`, however deep. */
const systemCode = (cause: unknown): unknown => {
  for (let error = cause, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth++) {
    if ("code" in error && typeof error.code === "string") return error.code
    // Several addresses were tried, each with an error of its own.
    if (error instanceof AggregateError && error.errors.length > 0) return systemCode(error.errors[0])
  }
  return undefined
}

/**
 * Whether a request may have reached the server although its `fetch` failed with `cause`. False only when no
 * connection was made, which is the one case in which a request that changes something may simply be repeated.
 */
export const mayBeSent = (cause: unknown): boolean => !neverSent.has(systemCode(cause))
