import { assert } from "@effect/vitest"
import { Id, LaunchIntent, type StateStoreError } from "@remote-agent/domain"
import { LaunchIntents } from "@remote-agent/orchestrator"
import { DateTime, Effect, Result, Stream } from "effect"
import { TestClock } from "effect/testing"

/** Something that every store of intents does, and the proof. */
export interface Case {
  readonly name: string
  readonly run: Effect.Effect<void, StateStoreError.StateStoreError, LaunchIntents.LaunchIntents>
}

const newIntent = Effect.gen(function* () {
  return new LaunchIntent.LaunchIntent({
    attemptId: yield* Id.nextAttemptId,
    agentId: yield* Id.nextAgentId,
    owner: "me",
    provider: "memory",
    at: yield* DateTime.now
  })
})

const opened = Effect.gen(function* () {
  const intent = yield* newIntent
  yield* (yield* LaunchIntents.LaunchIntents).open(intent)
  return intent
})

const list = Effect.flatMap(LaunchIntents.LaunchIntents, ({ list: all }) => Stream.runCollect(all))

/** What every layer of `Intents` must do, each case on a store of its own. */
export const cases: ReadonlyArray<Case> = [
  {
    name: "gives back what was opened, oldest first",
    run: Effect.gen(function* () {
      const intents: Array<LaunchIntent.LaunchIntent> = []
      for (let count = 0; count < 3; count++) {
        intents.push(yield* opened)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(yield* list, intents)
    })
  },
  {
    name: "closes one and leaves the others, however often it is told",
    run: Effect.gen(function* () {
      const [first, second] = [yield* opened, yield* opened]
      const { close } = yield* LaunchIntents.LaunchIntents
      yield* close(first.attemptId)
      yield* close(first.attemptId)
      assert.deepStrictEqual(yield* list, [second])
    })
  },
  {
    name: "renews one, and nothing that was closed",
    run: Effect.gen(function* () {
      const first = yield* opened
      yield* TestClock.adjust("1 second")
      const [second, third] = [yield* opened, yield* opened]
      const { close, renew } = yield* LaunchIntents.LaunchIntents
      yield* close(second.attemptId)
      yield* TestClock.adjust("1 minute")
      yield* renew(first.attemptId)
      yield* renew(second.attemptId)
      const at = yield* DateTime.now
      assert.deepStrictEqual(yield* list, [new LaunchIntent.LaunchIntent({ ...first, at }), third])
    })
  },
  {
    name: "refuses a second intent for the same attempt and keeps the first",
    run: Effect.gen(function* () {
      const intent = yield* opened
      const { open } = yield* LaunchIntents.LaunchIntents
      const second = yield* Effect.result(
        open(new LaunchIntent.LaunchIntent({ ...intent, owner: "somebody-else" }))
      )
      assert(Result.isFailure(second))
      assert.strictEqual(second.failure.reason._tag, "AlreadyExists")
      assert.deepStrictEqual(yield* list, [intent])
    })
  }
]
