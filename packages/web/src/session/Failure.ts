/** A request that failed, as the page shows it. */

/**
 * - `unreachable`: the server did not answer; what the page shows may be out of date.
 * - `unauthorized`: the token is not valid any more.
 * - `refused`: the server answered that it cannot be done.
 */
type Kind = "unreachable" | "unauthorized" | "refused"

export class Failure extends Error {
  readonly kind: Kind
  /** The name of the reason, such as `AgentNotFound`. */
  readonly reason: string

  constructor(kind: Kind, reason: string, message: string) {
    super(message)
    this.name = "Failure"
    this.kind = kind
    this.reason = reason
  }
}

const unreachable = "The server does not answer."

const property = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

/** Turns any error of the client into a failure. */
export const failureOf = (error: unknown): Failure => {
  if (error instanceof Failure) return error
  const tag = property(error, "_tag")
  const detail = property(error, "error")
  const [reason, message] = [property(detail, "reason"), property(detail, "message")]
  if (typeof reason === "string" && typeof message === "string") {
    return new Failure(tag === "Unauthorized" ? "unauthorized" : "refused", reason, message)
  }
  const status = property(property(error, "response"), "status")
  if (typeof status === "number" && status >= 400) {
    return status === 401
      ? new Failure("unauthorized", "Unauthorized", "The token is not valid.")
      : new Failure("refused", `Status ${status}`, `The server answered with the status ${status}.`)
  }
  return tag === "SchemaError"
    ? new Failure(
        "refused",
        "SchemaError",
        "The server answered in a form that this page does not know. Reload it."
      )
    : new Failure("unreachable", "Unreachable", unreachable)
}

/** What to tell about a failure. */
export const messageOf = (error: unknown): string => failureOf(error).message
