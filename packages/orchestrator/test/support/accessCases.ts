import { assert } from "@effect/vitest"
import type { StateStoreError } from "@remote-agent/domain"
import { AccessTokens, RequestKeys } from "@remote-agent/orchestrator"
import { DateTime, Duration, Effect, Option } from "effect"
import { type Passage } from "./stateStoreCases.ts"
import { TestClock } from "effect/testing"

/** A behaviour of every implementation. */
interface Case {
  readonly name: string
  readonly run: Effect.Effect<
    void,
    StateStoreError.StateStoreError,
    AccessTokens.AccessTokens | RequestKeys.RequestKeys | Passage
  >
}

const tokenOf = (id: string, name = id) =>
  Effect.map(DateTime.now, (now): AccessTokens.AccessToken => ({
    id,
    name,
    scope: "run",
    hash: `hash of ${id}`,
    createdAt: DateTime.makeUnsafe(DateTime.toEpochMillis(now))
  }))

const request = (operation: string, recordId: string) => ({
  operation,
  recordId,
  expiresIn: Duration.seconds(30)
})

/** What every implementation of `AccessTokens` and `RequestKeys` does, each case on a store of its own. */
export const cases: ReadonlyArray<Case> = [
  {
    name: "finds a token by its hash until it is removed, and lists tokens oldest first",
    run: Effect.gen(function* () {
      const tokens = yield* AccessTokens.AccessTokens
      const [second, first] = [yield* tokenOf("b", "née \u0000"), yield* tokenOf("a")]
      const last = { ...first, id: "0", hash: "other", expiresAt: DateTime.makeUnsafe(5_000_000_000_000) }
      yield* tokens.add(second)
      yield* tokens.add(first)
      yield* TestClock.adjust("1 second")
      const third = { ...last, createdAt: DateTime.addDuration(first.createdAt, "1 second") }
      yield* tokens.add(third)
      assert.deepStrictEqual(yield* tokens.list, [first, second, third])
      assert.deepStrictEqual(Option.getOrThrow(yield* tokens.find("other")), third)
      assert.isTrue(yield* tokens.remove("0"))
      assert.isFalse(yield* tokens.remove("0"))
      assert.isTrue(Option.isNone(yield* tokens.find("other")))
    })
  },
  {
    name: "refuses a second token with the same id or hash",
    run: Effect.gen(function* () {
      const tokens = yield* AccessTokens.AccessTokens
      const token = yield* tokenOf("a")
      yield* tokens.add(token)
      for (const other of [token, { ...token, id: "b" }, { ...token, hash: "b" }]) {
        const { reason } = yield* Effect.orDie(Effect.flip(tokens.add(other)))
        assert.strictEqual(reason._tag, "AlreadyExists")
      }
      assert.deepStrictEqual(yield* tokens.list, [token])
    })
  },
  {
    name: "gives a key to one claim, and tells the others what it is used for",
    run: Effect.gen(function* () {
      const keys = yield* RequestKeys.RequestKeys
      const claims = yield* Effect.forEach(
        ["r0", "r1", "r2", "r3"],
        (id) => keys.claim("k", request("launch", id)),
        {
          concurrency: 4
        }
      )
      const claimed = claims.filter(({ _tag }) => _tag === "Claimed")
      assert.strictEqual(claimed.length, 1)
      for (const claim of claims) {
        if (claim._tag !== "Claimed") assert.deepStrictEqual(claim, { _tag: "Busy", operation: "launch" })
      }
      yield* keys.complete("k")
      const known = yield* keys.claim("k", request("query", "r4"))
      assert.deepStrictEqual(known, {
        _tag: "Done",
        operation: "launch",
        recordId: claimed[0]?._tag === "Claimed" ? claimed[0].recordId : ""
      })
    })
  },
  {
    name: "frees a key whose request failed",
    run: Effect.gen(function* () {
      const keys = yield* RequestKeys.RequestKeys
      yield* keys.claim("k", request("launch", "a"))
      yield* keys.release("k")
      assert.deepStrictEqual(yield* keys.claim("k", request("query", "b")), {
        _tag: "Claimed",
        recordId: "b",
        again: false
      })
    })
  }
]

/** What depends on time, for implementations whose clock is that of the test. */
export const timed: ReadonlyArray<Case> = [
  {
    name: "hands a claim that was not renewed to the next, with the record id of the first",
    run: Effect.gen(function* () {
      const keys = yield* RequestKeys.RequestKeys
      yield* keys.claim("k", request("launch", "a"))
      yield* TestClock.adjust("20 seconds")
      yield* keys.renew("k", Duration.seconds(30))
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* keys.claim("k", request("launch", "b")))._tag, "Busy")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* keys.claim("k", request("query", "c")))._tag, "Busy")
      assert.deepStrictEqual(yield* keys.claim("k", request("launch", "d")), {
        _tag: "Claimed",
        recordId: "a",
        again: true
      })
    })
  },
  {
    name: "forgets a key after a day",
    run: Effect.gen(function* () {
      const keys = yield* RequestKeys.RequestKeys
      yield* keys.claim("k", request("launch", "a"))
      yield* keys.complete("k")
      yield* TestClock.adjust("25 hours")
      assert.strictEqual((yield* keys.claim("k", request("launch", "b")))._tag, "Claimed")
    })
  }
]
