import { assert } from "@effect/vitest"
import { Budget, Id, PoolRecord } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type Case, reasonOf } from "./stateStoreCases.ts"

const newPool = Effect.fnUntraced(function* (name: string) {
  const now = yield* DateTime.now
  return new PoolRecord.PoolRecord({
    name: Id.PoolName.make(name),
    profile: "tiny",
    status: "open",
    size: 3,
    maxSize: 5,
    whenFull: "burst",
    persistent: true,
    labels: { team: "a" },
    budget: new Budget.Budget({ costUsd: 2 }),
    revision: 0,
    createdAt: now,
    updatedAt: now
  })
})

/** What every store does with pools. */
export const cases: ReadonlyArray<Case> = [
  {
    name: "gives back a pool as it was created, and no second one of its name",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const pool = yield* newPool("workers")
      assert.strictEqual((yield* reasonOf(store.getPool(pool.name)))._tag, "NotFound")
      yield* store.createPool(pool)
      assert.strictEqual((yield* reasonOf(store.createPool(pool)))._tag, "AlreadyExists")
      assert.deepStrictEqual(yield* store.getPool(pool.name), pool)
    })
  },
  {
    name: "writes a pool that was changed, unless somebody else did in between",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const pool = yield* newPool("workers")
      assert.strictEqual((yield* reasonOf(store.updatePool(pool)))._tag, "NotFound")
      yield* store.createPool(pool)
      yield* TestClock.adjust("1 second")
      const grown = new PoolRecord.PoolRecord({ ...pool, size: 5 })
      const written = yield* store.updatePool(grown)
      assert.deepStrictEqual(
        written,
        new PoolRecord.PoolRecord({
          ...grown,
          revision: 1,
          updatedAt: DateTime.add(pool.createdAt, { seconds: 1 })
        })
      )
      const reason = yield* reasonOf(store.updatePool(new PoolRecord.PoolRecord({ ...pool, size: 1 })))
      assert(reason._tag === "RevisionConflict")
      assert.deepStrictEqual([reason.expected, reason.actual], [0, 1])
      assert.deepStrictEqual(yield* store.getPool(pool.name), written)
    })
  },
  {
    name: "lists pools by name and forgets those that it is told to",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      for (const name of ["b", "a", "C"]) yield* store.createPool(yield* newPool(name))
      const names = Effect.map(Stream.runCollect(store.listPools), (all) =>
        all.map(({ name }): string => name)
      )
      assert.deepStrictEqual(yield* names, ["C", "a", "b"])
      yield* store.removePool(Id.PoolName.make("a"))
      yield* store.removePool(Id.PoolName.make("a"))
      assert.deepStrictEqual(yield* names, ["C", "b"])
    })
  }
]
