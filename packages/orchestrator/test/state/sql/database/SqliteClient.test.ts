import { assert, describe, it } from "@effect/vitest"
import { SqliteClient } from "@remote-agent/orchestrator"
import { Deferred, Effect, Fiber, Option, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

const layer = SqliteClient.layer({ path: ":memory:" })

const withNames = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE names (name TEXT PRIMARY KEY NOT NULL, of TEXT REFERENCES names (name))`
  const add = (name: string) => sql`INSERT INTO names ${sql.insert({ name })}`
  const all = Effect.map(sql<{ name: string }>`SELECT name FROM names ORDER BY name`, (rows) =>
    rows.map(({ name }) => name)
  )
  return { sql, add, all }
})

const tagOf = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

describe("SqliteClient", () => {
  it.effect("keeps nothing of a transaction that fails, and only what succeeded of a nested one", () =>
    Effect.gen(function* () {
      const { add, all, sql } = yield* withNames
      yield* Effect.exit(sql.withTransaction(Effect.andThen(add("a"), Effect.fail("no"))))
      assert.deepStrictEqual(yield* all, [])
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* add("b")
          yield* Effect.exit(sql.withTransaction(Effect.andThen(add("c"), Effect.fail("no"))))
          yield* sql.withTransaction(add("d"))
        })
      )
      assert.deepStrictEqual(yield* all, ["b", "d"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("keeps nothing of a transaction that is interrupted, and takes the next", () =>
    Effect.gen(function* () {
      const { add, all, sql } = yield* withNames
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        sql.withTransaction(
          add("a").pipe(Effect.andThen(Deferred.succeed(begun, undefined)), Effect.andThen(Effect.never))
        )
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      yield* sql.withTransaction(add("b"))
      assert.deepStrictEqual(yield* all, ["b"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("runs transactions one after the other, however many are begun at once", () =>
    Effect.gen(function* () {
      const { add, all, sql } = yield* withNames
      const names = Array.from({ length: 100 }, (_, index) => String(index).padStart(3, "0"))
      yield* Effect.forEach(
        names,
        (name) => sql.withTransaction(Effect.andThen(Effect.yieldNow, add(name))),
        { concurrency: "unbounded", discard: true }
      )
      assert.deepStrictEqual(yield* all, names)
    }).pipe(Effect.provide(layer))
  )

  it.effect("says with a reason and SQLite's own code why a statement failed", () =>
    Effect.gen(function* () {
      const { add, sql } = yield* withNames
      yield* add("a")
      const twice = yield* Effect.flip(add("a"))
      assert.deepStrictEqual(SqliteClient.resultCodeOf(twice), Option.some(1555))
      assert.strictEqual(twice.reason._tag, "ConstraintError")
      assert.strictEqual(
        yield* tagOf(sql`INSERT INTO names ${sql.insert({ name: "b", of: "nobody" })}`),
        "ConstraintError"
      )
      assert.strictEqual(yield* tagOf(sql`SELEC`), "UnknownError")
    }).pipe(Effect.provide(layer))
  )

  it.effect("streams rows as they are asked for", () =>
    Effect.gen(function* () {
      const { sql } = yield* withNames
      const numbers = sql<{ n: number }>`
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
        SELECT n FROM numbers`
      const first = yield* Stream.runCollect(Stream.take(numbers.stream, 3))
      assert.deepStrictEqual(
        first.map(({ n }) => n),
        [1, 2, 3]
      )
    }).pipe(Effect.provide(layer))
  )

  it.effect("binds what SQLite has no type for, and nothing as null", () =>
    Effect.gen(function* () {
      const { sql } = yield* withNames
      const rows = yield* sql`SELECT ${true} AS yes, ${null} AS missing, ${new Uint8Array([1, 2])} AS bytes`
      assert.deepStrictEqual({ ...rows[0] }, { yes: 1, missing: null, bytes: new Uint8Array([1, 2]) })
      const values = yield* sql`SELECT 2, 1, 2`.values
      assert.deepStrictEqual(values, [[2, 1, 2]])
    }).pipe(Effect.provide(layer))
  )
})
