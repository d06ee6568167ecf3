import { type Lease, StateStoreError } from "@remote-agent/domain"
import { Array as Arr, Clock, Effect, identity, Option, Schema, SchemaTransformation } from "effect"
import { SqlClient, type SqlError, type Statement } from "effect/sql"
import { fromSql } from "./SqlFailure.ts"

/** How many rows are in memory while many are read. */
export const pageSize = 200

/** A whole number of 64 bits, which some databases give as text or as a bigint. */
export const Whole = Schema.Union([Schema.Finite, Schema.BigInt, Schema.String]).pipe(
  Schema.decodeTo(
    Schema.Int,
    SchemaTransformation.transform<number, number | bigint | string>({
      decode: Number,
      encode: (value) => value
    })
  )
)

/**
 * Any text in characters that every database keeps and compares, which is not so of NUL and of half a pair.
 */
export const plain = (text: string): string => JSON.stringify(text)

/** Text that was made with {@link plain}. */
export const Plain = Schema.fromJsonString(Schema.String)

/** The last of a page after which there may be another. */
export const fullPage = <A>(page: ReadonlyArray<A>): Option.Option<A> =>
  page.length < pageSize ? Option.none() : Arr.last(page)

/** Fails as a state store does. */
export const failed = (
  operation: string,
  reason: StateStoreError.Reason
): Effect.Effect<never, StateStoreError.StateStoreError> =>
  Effect.fail(new StateStoreError.StateStoreError({ operation, reason }))

/** The only row there can be; fails with `NotFound` when there is none. */
export const first =
  (operation: string, id: string) =>
  <A>(rows: ReadonlyArray<A>): Effect.Effect<A, StateStoreError.StateStoreError> =>
    rows[0] === undefined ? failed(operation, new StateStoreError.NotFound({ id })) : Effect.succeed(rows[0])

/** Fails with `AlreadyExists` when an insert gave no row back. */
export const added =
  (operation: string, id: string) =>
  (rows: ReadonlyArray<unknown>): Effect.Effect<void, StateStoreError.StateStoreError> =>
    rows.length === 0 ? failed(operation, new StateStoreError.AlreadyExists({ id })) : Effect.void

type Failure = SqlError.SqlError | StateStoreError.StateStoreError

type Guard = <A, R>(effect: Effect.Effect<A, Failure, R>) => Effect.Effect<A, Failure, R>

/** A database that holds state, and what everything that stands on it needs. */
export interface Database {
  readonly sql: SqlClient.SqlClient
  /** Does what an operation of the store is; its failures become those of the store. */
  readonly run: (
    operation: string
  ) => <A, R>(effect: Effect.Effect<A, Failure, R>) => Effect.Effect<A, StateStoreError.StateStoreError, R>
  /** Reads rows; fails with `Damaged` when they are not what was written. */
  readonly decoded: <A, B>(
    operation: string,
    decode: (rows: A) => Effect.Effect<B, Schema.SchemaError>
  ) => (rows: A) => Effect.Effect<B, StateStoreError.StateStoreError>
  /** Does all of it or nothing, and only when no newer lease than that of the fence was given. */
  readonly atOnce: (operation: string, fence: Lease.Fence | undefined) => Guard
  /** The same for what is one statement, which needs no transaction where there is no fence. */
  readonly fenced: (operation: string, fence: Lease.Fence | undefined) => Guard
  /** The time in milliseconds since 1970, for use in a statement: the database's own where it has a clock. */
  readonly now: Effect.Effect<Statement.Fragment>
  /** The lesser of two numbers, in the words of the database. */
  readonly lesser: Statement.Fragment | Statement.Literal
}

const decodedFrom =
  (name: string): Database["decoded"] =>
  (operation, decode) =>
  (rows) =>
    Effect.catch(decode(rows), () => failed(operation, new StateStoreError.Damaged({ store: name })))

const newest = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ token: Whole })))

/** The database of the current `SqlClient`; `name` is what messages call it. */
export const make = (name: string): Effect.Effect<Database, never, SqlClient.SqlClient> =>
  Effect.map(SqlClient.SqlClient, (sql) => {
    const decoded = decodedFrom(name)

    // Whoever takes the lease next waits until what was decided under this one is written.
    const shared = sql.onDialectOrElse({ pg: () => sql.literal("FOR SHARE"), orElse: () => sql.literal("") })

    const check = Effect.fnUntraced(function* (operation: string, { resource, token }: Lease.Fence) {
      const rows = yield* sql`SELECT token FROM remote_leases WHERE resource = ${plain(resource)} ${shared}`
      const current = (yield* decoded(operation, newest)(rows))[0]?.token ?? 0
      if (current > token) {
        return yield* failed(operation, new StateStoreError.Fenced({ resource, token, current }))
      }
    })

    const atOnce: Database["atOnce"] = (operation, fence) => (effect) =>
      sql.withTransaction(fence === undefined ? effect : Effect.andThen(check(operation, fence), effect))

    return {
      sql,
      run: (operation) => fromSql(name, operation),
      decoded,
      atOnce,
      fenced: (operation, fence) => (fence === undefined ? identity : atOnce(operation, fence)),
      now: sql.onDialectOrElse({
        pg: () => Effect.succeed(sql`CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`),
        orElse: () => Effect.map(Clock.currentTimeMillis, (millis) => sql`${millis}`)
      }),
      lesser: sql.onDialectOrElse({ pg: () => sql.literal("LEAST"), orElse: () => sql.literal("MIN") })
    }
  })
