import { StateStoreError } from "@remote-agent/domain"
import { Deliveries } from "@remote-agent/github"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { AccessTokens } from "../access/AccessTokens.ts"
import { RequestKeys } from "../access/RequestKeys.ts"
import * as SqlAccessTokens from "../access/SqlAccessTokens.ts"
import * as SqlRequestKeys from "../access/SqlRequestKeys.ts"
import { LaunchIntents } from "../LaunchIntents.ts"
import { Leases } from "../Leases.ts"
import * as Migrations from "./database/Migrations.ts"
import { StateOwner } from "../StateOwner.ts"
import * as PostgresClient from "./database/PostgresClient.ts"
import { SnapshotIndex } from "../SnapshotIndex.ts"
import * as SqlAgents from "./SqlAgents.ts"
import * as SqlDatabase from "./database/SqlDatabase.ts"
import * as SqlDeliveries from "./SqlDeliveries.ts"
import * as SqlEvents from "./SqlEvents.ts"
import { fromSql } from "./database/SqlFailure.ts"
import * as SqlIntents from "./SqlIntents.ts"
import * as SqliteClient from "./database/SqliteClient.ts"
import * as SqlLeases from "./SqlLeases.ts"
import * as SqlOwner from "./SqlOwner.ts"
import * as SqlPools from "./SqlPools.ts"
import * as SqlQueries from "./SqlQueries.ts"
import * as SqlUsage from "./SqlUsage.ts"
import * as SqlSnapshotIndex from "./SqlSnapshotIndex.ts"
import * as SqliteFile from "./database/SqliteFile.ts"
import { RunStore } from "../runs/RunStore.ts"
import { ScheduleStore } from "../runs/ScheduleStore.ts"
import { SharedLimits } from "../runs/SharedLimits.ts"
import * as SqlLimits from "../runs/SqlLimits.ts"
import * as SqlRuns from "../runs/SqlRuns.ts"
import * as SqlWorkers from "../runs/SqlWorkers.ts"
import { WorkerStore } from "../runs/WorkerStore.ts"
import * as SqlSchedules from "../runs/SqlSchedules.ts"
import { type StateRecord, StateStore } from "../StateStore.ts"

/**
 * All services of the state, in one database.
 *
 * @category models
 * @since 0.1.0
 */
export type State =
  | StateStore
  | RunStore
  | ScheduleStore
  | SharedLimits
  | WorkerStore
  | Leases
  | LaunchIntents
  | Deliveries.Deliveries
  | StateOwner
  | SnapshotIndex
  | AccessTokens
  | RequestKeys

/** Makes the services over the current `SqlClient`, whose schema is up to date. */
const makeMigrated = Effect.fnUntraced(function* (
  name: string
): Effect.fn.Return<Context.Context<State>, StateStoreError.StateStoreError, SqlClient.SqlClient> {
  const database = yield* SqlDatabase.make(name)
  const { restoreAgent, ...agents } = SqlAgents.make(database)
  const [queries, usage] = [SqlQueries.make(database), SqlUsage.make(database)]
  const [{ writeLog, ...events }, pools] = [SqlEvents.make(database), SqlPools.make(database)]

  /** Writes a record, and returns its id or name when there was none. */
  const add = (record: StateRecord) => {
    switch (record._tag) {
      case "Pool":
        return ifNew(record.pool.name, pools.createPool(record.pool))
      case "Agent":
        return ifNew(record.agent.id, restoreAgent(record.agent))
      case "Query": {
        const { events: log, query } = record.query
        return ifNew(query.id, Effect.andThen(queries.createQuery(query), writeLog(query.id, log)))
      }
    }
  }

  const restore = Effect.fn("StateStore.restore")((records: Iterable<StateRecord>) =>
    Effect.gen(function* () {
      const written = new Set<string>()
      for (const record of records) {
        const id = yield* add(record)
        if (id !== undefined) written.add(id)
      }
      return written
    }).pipe(database.atOnce, database.run("restore"))
  )

  const store = StateStore.of({ ...agents, ...queries, ...usage, ...events, ...pools, restore })
  const runs = SqlRuns.make(database)
  return Context.make(StateStore, store).pipe(
    Context.add(RunStore, runs),
    Context.add(ScheduleStore, SqlSchedules.make(database, runs)),
    Context.add(SharedLimits, SqlLimits.make(database)),
    Context.add(WorkerStore, SqlWorkers.make(database)),
    Context.add(Leases, SqlLeases.make(database)),
    Context.add(LaunchIntents, SqlIntents.make(database)),
    Context.add(Deliveries.Deliveries, SqlDeliveries.make(database)),
    Context.add(SnapshotIndex, SqlSnapshotIndex.make(database)),
    Context.add(AccessTokens, SqlAccessTokens.make(database)),
    Context.add(RequestKeys, SqlRequestKeys.make(database)),
    Context.add(StateOwner, yield* SqlOwner.make(database))
  )
})

const ifNew = <E>(id: string, create: Effect.Effect<void, E | StateStoreError.StateStoreError>) =>
  Effect.as(create, id).pipe(
    Effect.catchIf(
      (error) => error instanceof StateStoreError.StateStoreError && error.reason._tag === "AlreadyExists",
      () => Effect.void
    )
  )

/**
 * Migrates the database of the current `SqlClient` and makes the services of the state over it. `name` is its name in
 * messages.
 *
 * **Details**
 *
 * Every method is one statement or one transaction. Beside the failures of each service, every method fails with
 * `Unavailable` when the database cannot be used, and with `Damaged` when it holds rows that cannot be read.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  name: string
) => Effect.Effect<Context.Context<State>, StateStoreError.StateStoreError, SqlClient.SqlClient> = Effect.fn(
  "SqlStateStore.make"
)(function* (name: string) {
  yield* fromSql(name, "open")(Migrations.migrate(name, () => Effect.void))
  return yield* makeMigrated(name)
})

/**
 * The state in the database of a `SqlClient`. `name` is its name in messages.
 *
 * @see {@link make}
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  name: string
): Layer.Layer<State, StateStoreError.StateStoreError, SqlClient.SqlClient> => Layer.effectContext(make(name))

/**
 * The state in a SQLite file, which several processes may use at once.
 *
 * **Details**
 *
 * `SqliteFile.openFile` says what happens to a file that is missing, older, newer or damaged; `SqliteClient.make`
 * says what survives a crash.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSqlite = (options: {
  readonly path: string
}): Layer.Layer<State, StateStoreError.StateStoreError> =>
  Layer.effectContext(makeMigrated(options.path)).pipe(
    Layer.provide(Layer.effect(SqlClient.SqlClient, SqliteFile.openFile(options.path)))
  )

/**
 * The state in a SQLite database in memory, which is lost with the layer.
 *
 * **When to use**
 *
 * For tests of code that depends on SQL.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSqliteMemory: Layer.Layer<State, StateStoreError.StateStoreError> = layer(
  "the state in memory"
).pipe(Layer.provide(Layer.orDie(SqliteClient.layer({ path: ":memory:" }))))

/**
 * The state in a Postgres database, which many processes on many machines may use at once.
 *
 * **Details**
 *
 * Leases use the clock of the server. The address may contain a password; messages never show it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPostgres = (
  options: PostgresClient.Options
): Layer.Layer<State, StateStoreError.StateStoreError> => {
  const name = PostgresClient.nameOf(options.url)
  return layer(name).pipe(
    Layer.provide(PostgresClient.layer(options)),
    Layer.catch((error) => Layer.effectContext(fromSql(name, "open")(Effect.fail(error))))
  )
}
