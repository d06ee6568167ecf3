import { assert } from "@effect/vitest"
import type { StateStoreError } from "@remote-agent/domain"
import { SnapshotIndex } from "@remote-agent/orchestrator"
import { DateTime, Effect, Option } from "effect"
import { TestClock } from "effect/testing"

/** Something that every cache of set-ups does, and the proof. */
interface Case {
  readonly name: string
  readonly run: Effect.Effect<void, StateStoreError.StateStoreError, SnapshotIndex.SnapshotIndex>
}

const entry = (key: string, template = `template of ${key}`) => ({ key, provider: "memory", template })

/** What every layer of `SnapshotIndex` must do, each case on a store of its own. */
export const cases: ReadonlyArray<Case> = [
  {
    name: "keeps the first template of a key, and removes it only under its own name",
    run: Effect.gen(function* () {
      const cache = yield* SnapshotIndex.SnapshotIndex
      assert.isTrue(yield* cache.add(entry("a")))
      assert.isFalse(yield* cache.add(entry("a", "another")))
      yield* cache.remove(entry("a", "another"))
      const found = yield* cache.get("a")
      assert.strictEqual(Option.getOrThrow(found).template, "template of a")
      yield* cache.remove(entry("a"))
      yield* cache.remove(entry("a"))
      assert.isTrue(Option.isNone(yield* cache.get("a")))
      assert.isTrue(yield* cache.add(entry("a", "another")))
    })
  },
  {
    name: "lists the templates, the least recently used first, and knows when each was made",
    run: Effect.gen(function* () {
      const cache = yield* SnapshotIndex.SnapshotIndex
      for (const key of ["b", "a", "c"]) {
        yield* cache.add(entry(key))
        yield* TestClock.adjust("1 second")
      }
      yield* cache.touch("b")
      yield* cache.touch("there is none")
      const all = yield* cache.list
      assert.deepStrictEqual(
        all.map(({ key }) => key),
        ["a", "c", "b"]
      )
      const [, , last] = all
      assert(last !== undefined)
      const [made, used] = [DateTime.toEpochMillis(last.createdAt), DateTime.toEpochMillis(last.usedAt)]
      assert.strictEqual(used - made, 3000)
    })
  }
]
