import { DateTime, Effect, Option, Schema } from "effect"
import { added, type Database, plain, Plain, Whole } from "../sql/database/SqlDatabase.ts"
import { type AccessToken, AccessTokens } from "./AccessTokens.ts"

const Row = Schema.Struct({
  id: Schema.String,
  name: Plain,
  scope: Schema.String,
  hash: Schema.String,
  created_ms: Whole,
  expires_ms: Schema.NullOr(Whole)
})

const tokenOf = (row: typeof Row.Type): AccessToken => ({
  id: row.id,
  name: row.name,
  scope: row.scope,
  hash: row.hash,
  createdAt: DateTime.makeUnsafe(row.created_ms),
  ...(row.expires_ms === null ? {} : { expiresAt: DateTime.makeUnsafe(row.expires_ms) })
})

/** The access tokens in a database. */
export const make = ({ reader, run, sql }: Database): AccessTokens["Service"] => {
  const tokens = reader(Row)
  return AccessTokens.of({
    add: Effect.fn("AccessTokens.add")(({ createdAt, expiresAt, hash, id, name, scope }) => {
      const row = {
        id,
        name: plain(name),
        scope,
        hash,
        created_ms: DateTime.toEpochMillis(createdAt),
        expires_ms: expiresAt === undefined ? null : DateTime.toEpochMillis(expiresAt)
      }
      return sql`INSERT INTO remote_access_tokens ${sql.insert(row)} ON CONFLICT DO NOTHING RETURNING id`.pipe(
        Effect.flatMap(added("addAccessToken", id)),
        run("addAccessToken")
      )
    }),
    list: sql`SELECT * FROM remote_access_tokens ORDER BY created_ms, id`.pipe(
      tokens("listAccessTokens"),
      Effect.map((rows) => rows.map(tokenOf)),
      run("listAccessTokens")
    ),
    find: Effect.fn("AccessTokens.find")((hash) =>
      sql`SELECT * FROM remote_access_tokens WHERE hash = ${hash}`.pipe(
        tokens("findAccessToken"),
        Effect.map(([row]) => Option.map(Option.fromUndefinedOr(row), tokenOf)),
        run("findAccessToken")
      )
    ),
    remove: Effect.fn("AccessTokens.remove")((id) =>
      sql`DELETE FROM remote_access_tokens WHERE id = ${id} RETURNING id`.pipe(
        Effect.map((rows) => rows.length > 0),
        run("removeAccessToken")
      )
    )
  })
}
