import { Schema } from "effect"
import { totalTokens, TokenUsage } from "./TokenUsage.ts"

const Dollars = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * The price of a model's tokens, in US dollars for a million of them.
 *
 * @category models
 * @since 0.1.0
 */
export class Price extends Schema.Class<Price>("@remote-agent/domain/Price")({
  input: Dollars,
  output: Dollars
}) {}

/**
 * Prices by the name of a model, or of a profile whose agents do not report their model.
 *
 * @category models
 * @since 0.1.0
 */
export const Prices = Schema.Record(Schema.String, Price)
export type Prices = typeof Prices.Type

/**
 * Finds the price of the first name that has one.
 *
 * @category lookups
 * @since 0.1.0
 */
export const find = (prices: Prices, ...names: ReadonlyArray<string | undefined>): Price | undefined => {
  const name = names.find((candidate) => candidate !== undefined && Object.hasOwn(prices, candidate))
  return name === undefined ? undefined : prices[name]
}

/**
 * Adds the cost of the tokens to a usage.
 *
 * **Details**
 *
 * A cost that the agent reported stays as it is: an agent knows of discounts and caches that a table does not. Without a
 * price the usage is returned unchanged.
 *
 * @category combining
 * @since 0.1.0
 */
export const priced = (price: Price | undefined, usage: TokenUsage): TokenUsage => {
  if (price === undefined || usage.costUsd !== undefined || totalTokens(usage) === 0) return usage
  const costUsd = (usage.inputTokens * price.input + usage.outputTokens * price.output) / 1_000_000
  return new TokenUsage({ ...usage, costUsd: Math.min(costUsd, Number.MAX_SAFE_INTEGER) })
}
