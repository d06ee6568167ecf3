import type { StateStoreError } from "@remote-agent/domain"
import { Deliveries } from "@remote-agent/github"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Intents } from "./Intents.ts"
import { Leases } from "./Leases.ts"
import * as Migrations from "./Migrations.ts"
import * as PostgresClient from "./PostgresClient.ts"
import * as SqlAgents from "./SqlAgents.ts"
import * as SqlDatabase from "./SqlDatabase.ts"
import * as SqlDeliveries from "./SqlDeliveries.ts"
import * as SqlEvents from "./SqlEvents.ts"
import { fromSql } from "./SqlFailure.ts"
import * as SqlIntents from "./SqlIntents.ts"
import * as SqliteClient from "./SqliteClient.ts"
import * as SqlLeases from "./SqlLeases.ts"
import * as SqlPools from "./SqlPools.ts"
import * as SqlQueries from "./SqlQueries.ts"
import * as StateFile from "./StateFile.ts"
import { StateStore } from "./StateStore.ts"

/** All the state there is, in one database. */
export type State = StateStore | Leases | Intents | Deliveries.Deliveries

/**
 * The state in the database of the current `SqlClient`, whose schema it brings up to date. `name` is what messages
 * call it. Every method is one statement or one transaction.
 *
 * Beside the failures of each service, every method fails with `Unavailable` when the database cannot do its part
 * and with `Damaged` when it holds what cannot be read.
 */
export const make: (
  name: string
) => Effect.Effect<Context.Context<State>, StateStoreError.StateStoreError, SqlClient.SqlClient> = Effect.fn(
  "SqlStateStore.make"
)(function* (name: string) {
  yield* fromSql(name, "open")(Migrations.migrate(name))
  const database = yield* SqlDatabase.make(name)
  const store = StateStore.of({
    ...SqlAgents.make(database),
    ...SqlQueries.make(database),
    ...SqlEvents.make(database),
    ...SqlPools.make(database)
  })
  return Context.make(StateStore, store).pipe(
    Context.add(Leases, SqlLeases.make(database)),
    Context.add(Intents, SqlIntents.make(database)),
    Context.add(Deliveries.Deliveries, SqlDeliveries.make(database))
  )
})

/** The state in the database of a `SqlClient`. `name` is what messages call it. See {@link make}. */
export const layer = (
  name: string
): Layer.Layer<State, StateStoreError.StateStoreError, SqlClient.SqlClient> => Layer.effectContext(make(name))

/**
 * The state in a SQLite file, which several processes may use at once. See `StateFile.openFile` for what happens to
 * a file that is new, older, newer or damaged, and `SqliteClient.make` for what outlives a crash.
 */
export const layerSqlite = (options: {
  readonly path: string
}): Layer.Layer<State, StateStoreError.StateStoreError> =>
  layer(options.path).pipe(Layer.provide(Layer.effect(SqlClient.SqlClient, StateFile.openFile(options.path))))

/** The same in memory: it lives and dies with the layer. For tests of what depends on SQL. */
export const layerSqliteMemory: Layer.Layer<State, StateStoreError.StateStoreError> = layer(
  "the state in memory"
).pipe(Layer.provide(Layer.orDie(SqliteClient.layer({ path: ":memory:" }))))

/**
 * The state in a Postgres database, which many processes on many machines may use at once. Leases go by the clock
 * of the server. The address may hold a password, which no message shows.
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
