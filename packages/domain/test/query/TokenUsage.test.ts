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

const total = (inputTokens: number, outputTokens: number) => ({ inputTokens, outputTokens })

describe("Usage.since", () => {
  const earlier = new Usage.SessionTotal(total(100, 20))

  it.each([
    ["the first query", undefined, total(100, 20), total(100, 20)],
    ["a follow-up", earlier, total(250, 45), total(150, 25)],
    ["one that used nothing", earlier, total(100, 20), total(0, 0)],
    ["a count that began anew", earlier, total(30, 10), total(30, 10)],
    ["a count that began anew and used more in one direction", earlier, total(130, 10), total(130, 10)]
  ] as const)("is what the query used: %s", (_, before, now, used) => {
    const usage = new Usage.Usage({ ...now, wallMillis: 5, costUsd: 1 })
    assert.deepStrictEqual({ ...Usage.since(before, usage) }, { ...used, wallMillis: 5, costUsd: 1 })
  })

  it.effect.prop(
    "of every total of a session adds up to the last one",
    [Schema.Array(Usage.Usage)],
    ([each]) =>
      Effect.sync(() => {
        let [told, before] = [Usage.zero, Usage.zero]
        const used = each.map((usage) => {
          before = told
          told = Usage.add(told, usage)
          return Usage.since(new Usage.SessionTotal(before), told)
        })
        const sum = used.reduce((all, usage) => Usage.add(all, usage), Usage.zero)
        assert.deepStrictEqual(new Usage.SessionTotal(sum), new Usage.SessionTotal(told))
      })
  )
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
