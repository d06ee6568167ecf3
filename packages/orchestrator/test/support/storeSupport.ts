import * as NodeServices from "@effect/platform-node/NodeServices"
import type { StateStoreError } from "@remote-agent/domain"
import { SqliteClient, SqlStateStore, StateStore } from "@remote-agent/orchestrator"
import { Context, Effect, FileSystem, Layer, Path, type Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

/** The path of a state file that is not there yet, in a folder that goes with the scope. */
export const newPath: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function* () {
  const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  return (yield* Path.Path).join(folder, "state.db")
}).pipe(Effect.orDie, Effect.provide(NodeServices.layer))

/** Opens a store of its own on a file, until the scope ends. */
export const openStore = (
  path: string
): Effect.Effect<StateStore.StateStore["Service"], StateStoreError.StateStoreError, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(SqlStateStore.layerSqlite({ path }))), (services) =>
    Context.get(services, StateStore.StateStore)
  )

/** A store and the client that it stands on. */
export interface Both {
  readonly store: StateStore.StateStore["Service"]
  readonly sql: SqlClient.SqlClient
}

/** Opens a store of its own on a database, until the scope ends. */
export const openBoth = (
  options: SqliteClient.Options
): Effect.Effect<Both, StateStoreError.StateStoreError | SqlError.SqlError, Scope.Scope> =>
  Effect.map(
    Layer.build(
      Layer.fresh(
        SqlStateStore.layer("the test's store").pipe(Layer.provideMerge(SqliteClient.layer(options)))
      )
    ),
    (services) => ({
      store: Context.get(services, StateStore.StateStore),
      sql: Context.get(services, SqlClient.SqlClient)
    })
  )

/** Uses the database of a file beside any store, and closes it. */
export const withSql = <A, E>(path: string, use: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    return yield* use(yield* SqlClient.SqlClient)
  }).pipe(Effect.provide(Layer.fresh(SqliteClient.layer({ path }))))
