import { assert, describe, it } from "@effect/vitest"
import { AgentEvent, Usage } from "@remote-agent/domain"
import { Effect, Schema } from "effect"

describe("Usage.add", () => {
  it.effect.prop("has zero for its neutral element and commutes", [Usage.Usage, Usage.Usage], ([a, b]) =>
    Effect.sync(() => {
      // As JSON, which knows no negative zero.
      assert.strictEqual(JSON.stringify(Usage.add(a, Usage.zero)), JSON.stringify(Usage.add(Usage.zero, a)))
      assert.strictEqual(JSON.stringify(Usage.add(a, b)), JSON.stringify(Usage.add(b, a)))
      assert.strictEqual(Usage.totalTokens(Usage.add(a, Usage.zero)), Usage.totalTokens(a))
    })
  )

  it("does not take an unknown cost for a cost of nothing", () => {
    assert.isUndefined(Usage.add(Usage.zero, Usage.zero).costUsd)
    assert.strictEqual(Usage.add(Usage.zero, new Usage.Usage({ ...Usage.zero, costUsd: 2 })).costUsd, 2)
  })
})

describe("AgentEvent", () => {
  const codec = Schema.toCodecJson(AgentEvent.AgentEvent)

  it.effect.prop("survives JSON and has words for everybody", [AgentEvent.AgentEvent], ([event]) =>
    Effect.gen(function* () {
      const text = JSON.stringify(yield* Schema.encodeEffect(codec)(event))
      const back = yield* Schema.decodeUnknownEffect(codec)(JSON.parse(text))
      assert.strictEqual(JSON.stringify(yield* Schema.encodeEffect(codec)(back)), text)
      assert.isString(AgentEvent.describe(event))
    })
  )
})
