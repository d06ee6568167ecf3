import { assert, describe, it } from "@effect/vitest"
import { Id } from "@remote-agent/domain"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 48 - 1 }))
const Bits = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 31 })))

describe("Id.ulid", () => {
  it.effect.prop("sorts by time, whatever the random part is", [Millis, Millis, Bits, Bits], ([a, b, x, y]) =>
    Effect.sync(() => {
      const [first, second] = [Id.ulid(a, x), Id.ulid(b, y)]
      assert.strictEqual(first.length, 26)
      if (a < b) assert.isTrue(first < second)
      if (a > b) assert.isTrue(first > second)
    })
  )

  it("keeps every random bit", () => {
    const bits = Array.from({ length: 16 }, (_, index) => index * 2 + 1)
    assert.strictEqual(Id.ulid(0, bits), "000000000013579bdfhknqsvxz")
  })
})

describe("Id.nextAgentId", () => {
  it.effect("makes ids that differ and follow the clock", () =>
    Effect.gen(function* () {
      const first = yield* Id.nextAgentId
      const twin = yield* Id.nextAgentId
      yield* TestClock.adjust("1 second")
      const later = yield* Id.nextAgentId
      assert.notStrictEqual(first, twin)
      assert.isTrue(later > first && later > twin)
    })
  )
})
