import { assert, describe, it } from "@effect/vitest"
import { Budget, TokenUsage } from "@remote-agent/domain"
import { Duration, Effect, Option, Schema } from "effect"

const usage = new TokenUsage.TokenUsage({ inputTokens: 60, outputTokens: 40, wallMillis: 5000, costUsd: 0.5 })
const { costUsd: _, ...unpriced } = usage

const limitOf = (budget: ConstructorParameters<typeof Budget.Budget>[0], spent: Budget.Spent = { usage }) =>
  Option.getOrUndefined(Option.map(Budget.exceeded(new Budget.Budget(budget), spent), ({ limit }) => limit))

describe("Budget", () => {
  it("is exceeded as soon as a limit is reached, and not before", () => {
    assert.isUndefined(limitOf({}))
    assert.isUndefined(limitOf({ costUsd: 0.51, tokens: 101, wall: Duration.millis(5001) }))
    assert.strictEqual(limitOf({ costUsd: 0.5 }), "costUsd")
    assert.strictEqual(limitOf({ costUsd: 9, tokens: 100 }), "tokens")
    assert.strictEqual(limitOf({ wall: Duration.seconds(5) }), "wall")
    assert.strictEqual(limitOf({ sandboxSeconds: 7 }, { usage, sandboxSeconds: 7 }), "sandboxSeconds")
  })

  it("reaches no limit with an unknown cost or uncounted seconds", () => {
    assert.isUndefined(limitOf({ costUsd: 0.01 }, { usage: new TokenUsage.TokenUsage(unpriced) }))
    assert.isUndefined(limitOf({ sandboxSeconds: 1 }))
  })

  it.effect("refuses limits of zero and below", () =>
    Effect.gen(function* () {
      const decode = Schema.decodeUnknownEffect(Budget.Budget)
      for (const wrong of [{ costUsd: 0 }, { tokens: -1 }, { wall: Duration.zero }, { sandboxSeconds: 0 }]) {
        assert.strictEqual((yield* Effect.flip(decode(wrong)))._tag, "SchemaError")
      }
    })
  )
})
