import { assert, describe, it } from "@effect/vitest"
import { Price, TokenUsage } from "@remote-agent/domain"
import { Effect, Schema } from "effect"

const used = (inputTokens: number, outputTokens: number, costUsd?: number) =>
  new TokenUsage.TokenUsage({
    inputTokens,
    outputTokens,
    wallMillis: 5,
    ...(costUsd === undefined ? {} : { costUsd })
  })

const price = new Price.Price({ input: 3, output: 15 })

describe("priced", () => {
  it("counts dollars per million input and output tokens", () => {
    assert.strictEqual(Price.priced(price, used(2_000_000, 1_000_000)).costUsd, 21)
    assert.closeTo(Price.priced(price, used(100, 20)).costUsd ?? 0, 0.0006, 1e-12)
  })

  it("keeps a reported cost, and adds none without tokens", () => {
    assert.strictEqual(Price.priced(price, used(100, 20, 0)).costUsd, 0)
    assert.strictEqual(Price.priced(price, used(100, 20, 7)).costUsd, 7)
    assert.isUndefined(Price.priced(price, used(0, 0)).costUsd)
    assert.isUndefined(Price.priced(undefined, used(100, 20)).costUsd)
  })

  it.effect.prop(
    "changes only an unknown cost, and returns a usage that can be stored",
    [Price.Price, TokenUsage.TokenUsage],
    ([known, usage]) =>
      Effect.gen(function* () {
        const after = Price.priced(known, usage)
        const { costUsd, ...rest } = after
        const { costUsd: told, ...before } = usage
        assert.deepStrictEqual(rest, before)
        if (told !== undefined) assert.strictEqual(costUsd, told)
        yield* Schema.decodeEffect(TokenUsage.TokenUsage)({ ...after })
      })
  )
})

describe("find", () => {
  it("finds the first name that has a price, and ignores inherited properties", () => {
    const cheap = new Price.Price({ input: 1, output: 1 })
    const prices: Price.Prices = { "gpt-5": price, dexter: cheap }
    assert.strictEqual(Price.find(prices, "gpt-5", "dexter"), price)
    assert.strictEqual(Price.find(prices, "other", "dexter"), cheap)
    assert.strictEqual(Price.find(prices, undefined, "dexter"), cheap)
    assert.isUndefined(Price.find(prices, "toString", "constructor", undefined))
  })
})
