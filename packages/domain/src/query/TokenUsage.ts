import { Schema } from "effect"

const most = Number.MAX_SAFE_INTEGER

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: most }))
const Amount = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: most }))

/**
 * The tokens, money and time that a piece of work consumed.
 *
 * **Details**
 *
 * Tokens are counted as the agent reports them. `costUsd` is absent when no cost was reported or priced; that does not
 * mean that the work was free.
 *
 * @category models
 * @since 0.1.0
 */
export class TokenUsage extends Schema.Class<TokenUsage>("@remote-agent/domain/TokenUsage")({
  inputTokens: Count,
  outputTokens: Count,
  /** US dollars. */
  costUsd: Schema.optionalKey(Amount),
  /** Wall time of the work, in milliseconds. */
  wallMillis: Amount
}) {}

/**
 * No usage: the neutral element of {@link add}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const zero = new TokenUsage({ inputTokens: 0, outputTokens: 0, wallMillis: 0 })

// An agent may report any number, so a sum stops at the largest safe integer instead of failing.
const sum = (a: number, b: number): number => Math.min(most, a + b)

/**
 * Adds two usages. A known cost and an unknown one add up to the known one, which is a lower bound.
 *
 * @category combining
 * @since 0.1.0
 */
export const add = (self: TokenUsage, that: TokenUsage): TokenUsage =>
  new TokenUsage({
    inputTokens: sum(self.inputTokens, that.inputTokens),
    outputTokens: sum(self.outputTokens, that.outputTokens),
    wallMillis: sum(self.wallMillis, that.wallMillis),
    ...(self.costUsd === undefined && that.costUsd === undefined
      ? {}
      : { costUsd: sum(self.costUsd ?? 0, that.costUsd ?? 0) })
  })

/**
 * The tokens that an agent has counted over a whole session, all its queries together.
 *
 * @category models
 * @since 0.1.0
 */
export class SessionTotal extends Schema.Class<SessionTotal>("@remote-agent/domain/SessionTotal")({
  inputTokens: Count,
  outputTokens: Count
}) {}

/**
 * Computes what one query used from two totals of its session: the one before the query and the one after it.
 *
 * **Details**
 *
 * A total below the earlier one means that the agent started counting again; then the total is what the query used.
 *
 * @category combining
 * @since 0.1.0
 */
export const since = (earlier: SessionTotal | undefined, total: TokenUsage): TokenUsage =>
  earlier === undefined ||
  total.inputTokens < earlier.inputTokens ||
  total.outputTokens < earlier.outputTokens
    ? total
    : new TokenUsage({
        ...total,
        inputTokens: total.inputTokens - earlier.inputTokens,
        outputTokens: total.outputTokens - earlier.outputTokens
      })

/**
 * Input and output tokens together.
 *
 * @category combining
 * @since 0.1.0
 */
export const totalTokens = (usage: TokenUsage): number => sum(usage.inputTokens, usage.outputTokens)
