import { type Id, PoolRecord, StateStoreError } from "@remote-agent/domain"
import { DateTime, Effect, Option, Schema, Stream } from "effect"
import { added, type Database, failed, first, fullPage, pageSize, Whole } from "./database/SqlDatabase.ts"
import type { StateStore } from "../StateStore.ts"

/**
 * The methods of the store that read and write pools.
 *
 * @category models
 * @since 0.1.0
 */
export type SqlPools = Pick<
  StateStore["Service"],
  "createPool" | "getPool" | "updatePool" | "removePool" | "listPools"
>

const PoolText = Schema.fromJsonString(Schema.toCodecJson(PoolRecord.PoolRecord))

const PoolRow = Schema.Struct({ body: PoolText })
const RevisionRow = Schema.Struct({ revision: Whole })

const encodePool = (pool: PoolRecord.PoolRecord) => Effect.orDie(Schema.encodeEffect(PoolText)(pool))

/** The pools of a database. See `SqlStateStore.make`. */
export const make = ({ reader, run, sql }: Database): SqlPools => {
  const [pools, revisions] = [reader(PoolRow), reader(RevisionRow)]

  const createPool = Effect.fn("StateStore.createPool")(function* (pool: PoolRecord.PoolRecord) {
    const { name, revision } = pool
    const row = { name, revision, body: yield* encodePool(pool) }
    yield* sql`INSERT INTO remote_pools ${sql.insert(row)} ON CONFLICT (name) DO NOTHING RETURNING name`.pipe(
      Effect.flatMap(added("createPool", name)),
      run("createPool")
    )
  })

  const getPool = Effect.fn("StateStore.getPool")((name: Id.PoolName) =>
    sql`SELECT body FROM remote_pools WHERE name = ${name}`.pipe(
      pools("getPool"),
      Effect.flatMap(first("getPool", name)),
      Effect.map(({ body }) => body),
      run("getPool")
    )
  )

  const whyNotUpdated = Effect.fnUntraced(function* ({ name, revision: expected }: PoolRecord.PoolRecord) {
    const { revision: actual } = yield* sql`SELECT revision FROM remote_pools WHERE name = ${name}`.pipe(
      revisions("updatePool"),
      Effect.flatMap(first("updatePool", name))
    )
    return yield* failed("updatePool", new StateStoreError.RevisionConflict({ id: name, expected, actual }))
  })

  const updatePool = Effect.fn("StateStore.updatePool")(function* (pool: PoolRecord.PoolRecord) {
    const { name, revision } = pool
    const written = new PoolRecord.PoolRecord({
      ...pool,
      revision: revision + 1,
      updatedAt: yield* DateTime.now
    })
    const change = { revision: written.revision, body: yield* encodePool(written) }
    return yield* sql`
      UPDATE remote_pools SET ${sql.update(change)} WHERE name = ${name} AND revision = ${revision}
      RETURNING name`.pipe(
      Effect.flatMap((rows) => (rows.length === 0 ? whyNotUpdated(pool) : Effect.succeed(written))),
      run("updatePool")
    )
  })

  const removePool = Effect.fn("StateStore.removePool")((name: Id.PoolName) =>
    sql`DELETE FROM remote_pools WHERE name = ${name}`.pipe(Effect.asVoid, run("removePool"))
  )

  const listPools = Stream.paginate("", (after) =>
    sql`SELECT body FROM remote_pools WHERE name > ${after} ORDER BY name LIMIT ${pageSize}`.pipe(
      pools("listPools"),
      Effect.map((rows) => {
        const page = rows.map(({ body }) => body)
        return [page, Option.map(fullPage(page), ({ name }): string => name)] as const
      }),
      run("listPools")
    )
  )

  return { createPool, getPool, updatePool, removePool, listPools }
}
