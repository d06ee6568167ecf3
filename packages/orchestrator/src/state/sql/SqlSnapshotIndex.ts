import { Clock, DateTime, Effect, Option, Schema } from "effect"
import { type Entry, listed, SnapshotIndex } from "../SnapshotIndex.ts"
import { type Database, Whole } from "./database/SqlDatabase.ts"

const Row = Schema.Struct({
  id: Schema.String,
  provider: Schema.String,
  template: Schema.String,
  created_ms: Whole,
  used_ms: Whole
})

const entryOf = (row: typeof Row.Type): Entry => ({
  key: row.id,
  provider: row.provider,
  template: row.template,
  createdAt: DateTime.makeUnsafe(row.created_ms),
  usedAt: DateTime.makeUnsafe(row.used_ms)
})

/** The templates of set-ups in a database. */
export const make = ({ reader, run, sql }: Database): SnapshotIndex["Service"] => {
  const entries = reader(Row)
  return SnapshotIndex.of({
    durable: true,
    get: Effect.fn("SnapshotIndex.get")((key) =>
      sql`SELECT * FROM remote_setups WHERE id = ${key}`.pipe(
        entries("getSetUp"),
        Effect.map(([row]) => Option.map(Option.fromUndefinedOr(row), entryOf)),
        run("getSetUp")
      )
    ),
    add: Effect.fn("SnapshotIndex.add")(function* ({ key: id, provider, template }) {
      const now = yield* Clock.currentTimeMillis
      const row = { id, provider, template, created_ms: now, used_ms: now }
      const rows = yield* run("addSetUp")(
        sql`INSERT INTO remote_setups ${sql.insert(row)} ON CONFLICT (id) DO NOTHING RETURNING id`
      )
      return rows.length > 0
    }),
    touch: Effect.fn("SnapshotIndex.touch")(function* (key) {
      const now = yield* Clock.currentTimeMillis
      yield* run("touchSetUp")(sql`UPDATE remote_setups SET used_ms = ${now} WHERE id = ${key}`)
    }),
    remove: Effect.fn("SnapshotIndex.remove")(({ key, template }) =>
      sql`DELETE FROM remote_setups WHERE id = ${key} AND template = ${template}`.pipe(
        Effect.asVoid,
        run("removeSetUp")
      )
    ),
    list: sql`SELECT * FROM remote_setups ORDER BY used_ms, id LIMIT ${listed}`.pipe(
      entries("listSetUps"),
      Effect.map((rows) => rows.map(entryOf)),
      run("listSetUps")
    )
  })
}
