import { assert, describe, it } from "@effect/vitest"
import { AgentEvent, TokenUsage } from "@remote-agent/domain"
import { Effect, Schema } from "effect"

describe("TokenUsage.add", () => {
  it.effect.prop(
    "has zero as its neutral element and commutes",
    [TokenUsage.TokenUsage, TokenUsage.TokenUsage],
    ([a, b]) =>
      Effect.sync(() => {
        // Compared as JSON, which has no negative zero.
        assert.strictEqual(
          JSON.stringify(TokenUsage.add(a, TokenUsage.zero)),
          JSON.stringify(TokenUsage.add(TokenUsage.zero, a))
        )
        assert.strictEqual(JSON.stringify(TokenUsage.add(a, b)), JSON.stringify(TokenUsage.add(b, a)))
        assert.strictEqual(
          TokenUsage.totalTokens(TokenUsage.add(a, TokenUsage.zero)),
          TokenUsage.totalTokens(a)
        )
      })
  )

  it("keeps an unknown cost unknown", () => {
    assert.isUndefined(TokenUsage.add(TokenUsage.zero, TokenUsage.zero).costUsd)
    assert.strictEqual(
      TokenUsage.add(TokenUsage.zero, new TokenUsage.TokenUsage({ ...TokenUsage.zero, costUsd: 2 })).costUsd,
      2
    )
  })
})

const total = (inputTokens: number, outputTokens: number) => ({ inputTokens, outputTokens })

describe("TokenUsage.since", () => {
  const earlier = new TokenUsage.SessionTotal(total(100, 20))

  it.each([
    ["the first query", undefined, total(100, 20), total(100, 20)],
    ["a follow-up", earlier, total(250, 45), total(150, 25)],
    ["one that used nothing", earlier, total(100, 20), total(0, 0)],
    ["a count that began anew", earlier, total(30, 10), total(30, 10)],
    ["a count that began anew and used more in one direction", earlier, total(130, 10), total(130, 10)]
  ] as const)("is what the query used: %s", (_, before, now, used) => {
    const usage = new TokenUsage.TokenUsage({ ...now, wallMillis: 5, costUsd: 1 })
    assert.deepStrictEqual({ ...TokenUsage.since(before, usage) }, { ...used, wallMillis: 5, costUsd: 1 })
  })

  it.effect.prop("adds up to the last total of a session", [Schema.Array(TokenUsage.TokenUsage)], ([each]) =>
    Effect.sync(() => {
      let [told, before] = [TokenUsage.zero, TokenUsage.zero]
      const used = each.map((usage) => {
        before = told
        told = TokenUsage.add(told, usage)
        return TokenUsage.since(new TokenUsage.SessionTotal(before), told)
      })
      const sum = used.reduce((all, usage) => TokenUsage.add(all, usage), TokenUsage.zero)
      assert.deepStrictEqual(new TokenUsage.SessionTotal(sum), new TokenUsage.SessionTotal(told))
    })
  )
})

describe("AgentEvent", () => {
  const codec = Schema.toCodecJson(AgentEvent.AgentEvent)

  it.effect.prop("survives JSON and can be described", [AgentEvent.AgentEvent], ([event]) =>
    Effect.gen(function* () {
      const text = JSON.stringify(yield* Schema.encodeEffect(codec)(event))
      const back = yield* Schema.decodeUnknownEffect(codec)(JSON.parse(text))
      assert.strictEqual(JSON.stringify(yield* Schema.encodeEffect(codec)(back)), text)
      assert.isString(AgentEvent.describe(event))
    })
  )
})
