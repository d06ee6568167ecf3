import { assert, describe, it } from "@effect/vitest"
import { StateStoreError } from "@remote-agent/domain"
import { Effect, Schema } from "effect"

const codec = Schema.toCodecJson(StateStoreError.StateStoreError)

const failed = (operation: string, reason: StateStoreError.Reason) =>
  new StateStoreError.StateStoreError({ operation, reason })

describe("StateStoreError", () => {
  it.effect.prop("says the problem and what to do", [StateStoreError.Reason], ([reason]) =>
    Effect.sync(() => {
      const { message } = failed("getAgent", reason)
      assert.isTrue(message.startsWith("state store (getAgent): "))
      assert.match(message, /\. [A-Z][^]*\.$/)
    })
  )

  it.effect.prop("survives JSON", [StateStoreError.Reason], ([reason]) =>
    Effect.gen(function* () {
      const error = failed("getAgent", reason)
      const text = JSON.stringify(yield* Schema.encodeEffect(codec)(error))
      const back = yield* Schema.decodeUnknownEffect(codec)(JSON.parse(text))
      assert.strictEqual(back.message, error.message)
    })
  )

  it("is retryable while the database is locked or slow, and not for other obstacles", () => {
    const store = "state.db"
    const retryable = StateStoreError.Obstacle.literals.filter(
      (obstacle) => failed("updateAgent", new StateStoreError.Unavailable({ store, obstacle })).isRetryable
    )
    assert.deepStrictEqual(retryable, ["locked", "slow"])
    assert.isFalse(failed("getAgent", new StateStoreError.Damaged({ store })).isRetryable)
  })

  it("is retryable after a lost connection for reads only", () => {
    const reason = new StateStoreError.Unavailable({ store: "db", obstacle: "unreachable" })
    for (const operation of ["open", "getAgent", "listAgents", "getQuery", "events"]) {
      assert.isTrue(failed(operation, reason).isRetryable, operation)
    }
    for (const operation of ["createAgent", "updateAgent", "createQuery", "appendEvents"]) {
      assert.isFalse(failed(operation, reason).isRetryable, operation)
    }
  })
})
