/** Error codes of the system and of Node's `fetch` for a connection that was never made. */
const neverConnected: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT"
])

/** The code of the system error that caused a failed `fetch`, at any depth. */
const systemCode = (cause: unknown): unknown => {
  for (let error = cause, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth++) {
    if ("code" in error && typeof error.code === "string") return error.code
    // Node tried several addresses and collected one error for each.
    if (error instanceof AggregateError && error.errors.length > 0) return systemCode(error.errors[0])
  }
  return undefined
}

/**
 * Tells whether a request may have reached the server although its `fetch` failed with `cause`.
 *
 * **When to use**
 *
 * Use to decide whether a request that changes something may be repeated. The result is false only when no connection
 * was made, which is the only case in which repeating it is harmless.
 *
 * @category predicates
 * @since 0.1.0
 */
export const mayBeSent = (cause: unknown): boolean => !neverConnected.has(systemCode(cause))
