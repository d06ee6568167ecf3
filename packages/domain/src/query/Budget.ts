import { Duration, Option, Schema } from "effect"
import { totalTokens, type TokenUsage } from "./TokenUsage.ts"

const Limit = Schema.Finite.check(Schema.isGreaterThan(0))

/** The most that a query, an agent or a pool may use. What is absent is not limited. */
export class Budget extends Schema.Class<Budget>("@remote-agent/domain/Budget")({
  /** United States dollars, as far as they are reported or priced. */
  costUsd: Schema.optionalKey(Limit),
  /** Tokens in both directions. */
  tokens: Schema.optionalKey(Limit),
  /** Time in which queries were answered. */
  wall: Schema.optionalKey(
    Schema.Duration.check(
      Schema.makeFilter((wall: Duration.Duration) => Duration.isGreaterThan(wall, Duration.zero), {
        expected: "a time longer than none"
      })
    )
  ),
  /**
   * Seconds since agents were launched, whether they answered or not, also those for which they slept. An agent that
   * has ended counts until its record was last changed, and one whose end nobody has noticed yet as if it lived. For
   * a query: since it was begun.
   */
  sandboxSeconds: Schema.optionalKey(Limit)
}) {}

/** What was used of a budget. */
export interface Spent {
  readonly usage: TokenUsage
  /** Seconds since agents were launched, as in {@link Budget}; not looked at when absent. */
  readonly sandboxSeconds?: number | undefined
}

/** A limit that was reached. Time is in milliseconds for `wall` and in seconds for `sandboxSeconds`. */
export class Exceeded extends Schema.Class<Exceeded>("@remote-agent/domain/Budget/Exceeded")({
  limit: Schema.Literals(["costUsd", "tokens", "wall", "sandboxSeconds"]),
  allowed: Schema.Finite,
  spent: Schema.Finite
}) {}

/** The first limit that what was spent has reached. A cost that nobody knows reaches none. */
export const exceeded = (budget: Budget, { sandboxSeconds, usage }: Spent): Option.Option<Exceeded> => {
  const checks = [
    { limit: "costUsd", allowed: budget.costUsd, spent: usage.costUsd },
    { limit: "tokens", allowed: budget.tokens, spent: totalTokens(usage) },
    {
      limit: "wall",
      allowed: budget.wall === undefined ? undefined : Duration.toMillis(budget.wall),
      spent: usage.wallMillis
    },
    { limit: "sandboxSeconds", allowed: budget.sandboxSeconds, spent: sandboxSeconds }
  ] as const
  for (const { allowed, limit, spent } of checks) {
    if (allowed !== undefined && spent !== undefined && spent >= allowed) {
      return Option.some(new Exceeded({ limit, allowed, spent }))
    }
  }
  return Option.none()
}
