import { Duration, Option, Schema } from "effect"
import { totalTokens, type TokenUsage } from "./TokenUsage.ts"

const Limit = Schema.Finite.check(Schema.isGreaterThan(0))

/**
 * The most that a query, an agent or a pool may use. An absent field is unlimited.
 *
 * @category models
 * @since 0.1.0
 */
export class Budget extends Schema.Class<Budget>("@remote-agent/domain/Budget")({
  /** US dollars, as far as costs are reported or priced. */
  costUsd: Schema.optionalKey(Limit),
  /** Input and output tokens together. */
  tokens: Schema.optionalKey(Limit),
  /** Time spent answering queries. */
  wall: Schema.optionalKey(
    Schema.Duration.check(
      Schema.makeFilter((wall: Duration.Duration) => Duration.isGreaterThan(wall, Duration.zero), {
        expected: "a time longer than none"
      })
    )
  ),
  /**
   * Seconds since agents were launched, busy, idle or paused. A terminated agent counts until the last change of its
   * record; an agent whose end has not been noticed yet counts as alive. For a query: seconds since it was created.
   */
  sandboxSeconds: Schema.optionalKey(Limit)
}) {}

/**
 * The used part of a budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface Spent {
  readonly usage: TokenUsage
  /** Seconds since agents were launched, as in {@link Budget}; not checked when absent. */
  readonly sandboxSeconds?: number | undefined
}

/**
 * A limit that was reached. Time is in milliseconds for `wall` and in seconds for `sandboxSeconds`.
 *
 * @category models
 * @since 0.1.0
 */
export class Exceeded extends Schema.Class<Exceeded>("@remote-agent/domain/Budget/Exceeded")({
  limit: Schema.Literals(["costUsd", "tokens", "wall", "sandboxSeconds"]),
  allowed: Schema.Finite,
  spent: Schema.Finite
}) {}

/**
 * Finds the first limit that was reached. An unknown cost reaches no limit.
 *
 * @category predicates
 * @since 0.1.0
 */
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
