import { Id, type StateStoreError } from "@remote-agent/domain"
import { Effect, Schema } from "effect"
import { type Database, first } from "./database/SqlDatabase.ts"

const Row = Schema.Struct({ value: Schema.String })

/** Reads the owner of a database. The first process that opens the database generates it. */
export const make = Effect.fn("SqlOwner.make")(function* ({
  reader,
  run,
  sql
}: Database): Effect.fn.Return<string, StateStoreError.StateStoreError> {
  const read = run("open")(reader(Row)("open")(sql`SELECT value FROM remote_settings WHERE name = 'owner'`))
  // Read first: reading is enough for a user without the right to write.
  const [known] = yield* read
  if (known !== undefined) return known.value
  const value = yield* Id.nextToken
  yield* run("open")(
    sql`INSERT INTO remote_settings ${sql.insert({ name: "owner", value })} ON CONFLICT (name) DO NOTHING`
  )
  return (yield* first("open", "owner")(yield* read)).value
})
