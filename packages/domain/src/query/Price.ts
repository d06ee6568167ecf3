import { Schema } from "effect"
import { totalTokens, TokenUsage } from "./TokenUsage.ts"

const Dollars = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

/** What the tokens of a model cost: United States dollars for a million of them. */
export class Price extends Schema.Class<Price>("@remote-agent/domain/Price")({
  input: Dollars,
  output: Dollars
}) {}

/** Prices by the name of a model, or of a profile whose agents use another model than they say. */
export const Prices = Schema.Record(Schema.String, Price)
export type Prices = typeof Prices.Type

/** The price of the first of these names that has one. */
export const find = (prices: Prices, ...names: ReadonlyArray<string | undefined>): Price | undefined => {
  const name = names.find((candidate) => candidate !== undefined && Object.hasOwn(prices, candidate))
  return name === undefined ? undefined : prices[name]
}

/**
 * The usage with what its tokens cost, where the agent itself told no cost and the price is known. A cost that was
 * told stays: an agent knows of discounts and caches that a table does not.
 */
export const priced = (price: Price | undefined, usage: TokenUsage): TokenUsage => {
  if (price === undefined || usage.costUsd !== undefined || totalTokens(usage) === 0) return usage
  const costUsd = (usage.inputTokens * price.input + usage.outputTokens * price.output) / 1_000_000
  return new TokenUsage({ ...usage, costUsd: Math.min(costUsd, Number.MAX_SAFE_INTEGER) })
}
