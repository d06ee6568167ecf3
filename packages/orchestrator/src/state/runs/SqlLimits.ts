import { SharedLimit } from "@remote-agent/domain"
import { Clock, Effect, Schema } from "effect"
import { type Database, Whole } from "../sql/database/SqlDatabase.ts"
import { SharedLimits } from "./SharedLimits.ts"

const BlockedRow = Schema.Struct({ blocked_ms: Whole })
const UseRow = Schema.Struct({
  id: Schema.String,
  started_ms: Whole,
  until_ms: Whole,
  ended_ms: Schema.NullOr(Whole),
  tokens: Whole
})

const toUse = (row: typeof UseRow.Type): SharedLimit.Use => ({
  startedAt: row.started_ms,
  until: row.until_ms,
  endedAt: row.ended_ms ?? undefined,
  tokens: row.tokens
})

/** The shared limits of a database. */
export const make = ({ atOnce, reader, run, sql }: Database): SharedLimits["Service"] => {
  const [blocks, uses] = [reader(BlockedRow), reader(UseRow)]
  // Queries behind one key ask one after the other. SQLite has one writer at a time.
  const locked = sql.onDialectOrElse({ pg: () => sql.literal("FOR UPDATE"), orElse: () => sql.literal("") })
  const greater = sql.onDialectOrElse({
    pg: () => sql.literal("GREATEST"),
    orElse: () => sql.literal("MAX")
  })

  const read = Effect.fnUntraced(function* (key: string, now: number) {
    yield* sql`INSERT INTO remote_limit_keys (name, blocked_ms) VALUES (${key}, 0) ON CONFLICT (name) DO NOTHING`
    const [row] = yield* sql`SELECT blocked_ms FROM remote_limit_keys WHERE name = ${key} ${locked}`.pipe(
      blocks("acquireLimit")
    )
    const old = now - SharedLimit.window
    yield* sql`
      DELETE FROM remote_limit_uses
      WHERE name = ${key} AND started_ms < ${old} AND (ended_ms < ${old} OR (ended_ms IS NULL AND until_ms < ${old}))`
    const rows = yield* sql`
      SELECT id, started_ms, until_ms, ended_ms, tokens FROM remote_limit_uses WHERE name = ${key}`.pipe(
      uses("acquireLimit")
    )
    return { blocked: row?.blocked_ms ?? 0, rows }
  })

  return SharedLimits.of({
    acquire: Effect.fn("SharedLimits.acquire")((asks, { id, until }) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const open: Array<string> = []
        // In one order, so that two queries never wait for each other's rows.
        for (const { key, limit } of asks.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
          const { blocked, rows } = yield* read(key, now)
          if (rows.some((row) => row.id === id)) continue
          const at = SharedLimit.startsAt(limit, rows.map(toUse), blocked, now)
          if (at > 0) return at
          open.push(key)
        }
        for (const name of open) {
          const row = { name, id, started_ms: now, until_ms: Math.ceil(until), ended_ms: null, tokens: 0 }
          yield* sql`INSERT INTO remote_limit_uses ${sql.insert(row)}`
        }
        return 0
      }).pipe(atOnce, run("acquireLimit"))
    ),
    release: Effect.fn("SharedLimits.release")((id, tokens) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) =>
          sql`
          UPDATE remote_limit_uses SET ended_ms = ${now}, tokens = ${Math.trunc(tokens)}
          WHERE id = ${id} AND ended_ms IS NULL`
      ).pipe(Effect.asVoid, run("releaseLimit"))
    ),
    block: Effect.fn("SharedLimits.block")((keys, until) =>
      Effect.forEach(
        keys.toSorted(),
        (name) => sql`
          INSERT INTO remote_limit_keys (name, blocked_ms) VALUES (${name}, ${Math.ceil(until)})
          ON CONFLICT (name) DO UPDATE SET
            blocked_ms = ${greater}(remote_limit_keys.blocked_ms, excluded.blocked_ms)`,
        { discard: true }
      ).pipe(atOnce, run("blockLimit"))
    )
  })
}
