import { Schema } from "effect"

const most = Number.MAX_SAFE_INTEGER

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: most }))
const Amount = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: most }))

/**
 * What a piece of work consumed. Tokens are counted as the agent reports them; `costUsd` is absent when nobody
 * reported or priced it, which is not the same as free.
 */
export class TokenUsage extends Schema.Class<TokenUsage>("@remote-agent/domain/TokenUsage")({
  inputTokens: Count,
  outputTokens: Count,
  /** United States dollars. */
  costUsd: Schema.optionalKey(Amount),
  /** Wall time of the work, in milliseconds. */
  wallMillis: Amount
}) {}

/** Nothing used: the neutral element of {@link add}. */
export const zero = new TokenUsage({ inputTokens: 0, outputTokens: 0, wallMillis: 0 })

// An agent may report anything; a sum that no number can hold must not become a failure of ours.
const sum = (a: number, b: number): number => Math.min(most, a + b)

/** The sum of two. A known cost and an unknown one add up to the known one: a lower bound. */
export const add = (self: TokenUsage, that: TokenUsage): TokenUsage =>
  new TokenUsage({
    inputTokens: sum(self.inputTokens, that.inputTokens),
    outputTokens: sum(self.outputTokens, that.outputTokens),
    wallMillis: sum(self.wallMillis, that.wallMillis),
    ...(self.costUsd === undefined && that.costUsd === undefined
      ? {}
      : { costUsd: sum(self.costUsd ?? 0, that.costUsd ?? 0) })
  })

/** Tokens that an agent has counted over a whole session, all its queries together. */
export class SessionTotal extends Schema.Class<SessionTotal>("@remote-agent/domain/SessionTotal")({
  inputTokens: Count,
  outputTokens: Count
}) {}

/**
 * What one query used whose agent tells the total of its session, `earlier` being the total before. One that is below
 * that is of a count that began anew, and is what the query used.
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

/** Tokens in both directions. */
export const totalTokens = (usage: TokenUsage): number => sum(usage.inputTokens, usage.outputTokens)
