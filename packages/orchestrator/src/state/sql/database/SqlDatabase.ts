import { type Lease, StateStoreError } from "@remote-agent/domain"
import { Array as Arr, Clock, Effect, identity, Option, Schema, SchemaTransformation } from "effect"
import { SqlClient, type SqlError, SqlSchema, type Statement } from "effect/sql"
import { fromSql } from "./SqlFailure.ts"

/**
 * The number of rows read at a time.
 *
 * @category constants
 * @since 0.1.0
 */
export const pageSize = 200

/**
 * A 64-bit integer. Some drivers return it as text or as a bigint.
 *
 * @category schemas
 * @since 0.1.0
 */
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
 * Encodes any text so that every database can store and compare it, NUL and lone surrogates included.
 *
 * @category encoding
 * @since 0.1.0
 */
export const plain = (text: string): string => JSON.stringify(text)

/**
 * Text encoded with {@link plain}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Plain = Schema.fromJsonString(Schema.String)

/**
 * The last element of a full page, behind which there may be more.
 *
 * @category pagination
 * @since 0.1.0
 */
export const fullPage = <A>(page: ReadonlyArray<A>): Option.Option<A> =>
  page.length < pageSize ? Option.none() : Arr.last(page)

/**
 * Fails with a `StateStoreError`.
 *
 * @category errors
 * @since 0.1.0
 */
export const failed = (
  operation: string,
  reason: StateStoreError.Reason
): Effect.Effect<never, StateStoreError.StateStoreError> =>
  Effect.fail(new StateStoreError.StateStoreError({ operation, reason }))

/**
 * Returns the only row. Fails with `NotFound` when there is none.
 *
 * @category errors
 * @since 0.1.0
 */
export const first =
  (operation: string, id: string) =>
  <A>(rows: ReadonlyArray<A>): Effect.Effect<A, StateStoreError.StateStoreError> =>
    rows[0] === undefined ? failed(operation, new StateStoreError.NotFound({ id })) : Effect.succeed(rows[0])

/**
 * Fails with `AlreadyExists` when an insert returned no row.
 *
 * @category errors
 * @since 0.1.0
 */
export const added =
  (operation: string, id: string) =>
  (rows: ReadonlyArray<unknown>): Effect.Effect<void, StateStoreError.StateStoreError> =>
    rows.length === 0 ? failed(operation, new StateStoreError.AlreadyExists({ id })) : Effect.void

type Failure = SqlError.SqlError | StateStoreError.StateStoreError

type Guard = <A, R>(effect: Effect.Effect<A, Failure, R>) => Effect.Effect<A, Failure, R>

/**
 * Fences the writes of one operation.
 *
 * **Details**
 *
 * SQLite runs one writer at a time, so a condition of the statement is enough. Postgres locks the row of the lease in
 * the same transaction: the next holder then waits until the write is committed.
 */
interface Fencing {
  /** Wraps a single statement, in a transaction where one is needed. */
  readonly guard: Guard
  /** The same for an effect that runs in a transaction already. */
  readonly before: Effect.Effect<void, Failure>
  /** A condition for the statement's `WHERE`. */
  readonly clause: Statement.Fragment
  /** Fails with `Fenced` if that is why the statement changed no row. */
  readonly check: Effect.Effect<void, Failure>
}

/**
 * A database that holds the state, with the helpers that every part of the store uses.
 *
 * @category models
 * @since 0.1.0
 */
export interface Database {
  readonly sql: SqlClient.SqlClient
  /** Turns the failures of a database into those of the store's operation. */
  readonly run: (
    operation: string
  ) => <A, R>(effect: Effect.Effect<A, Failure, R>) => Effect.Effect<A, StateStoreError.StateStoreError, R>
  /** Decodes the rows of a statement. Fails with `Damaged` when a row does not have the form of `row`. */
  readonly reader: <S extends Schema.ConstraintDecoder<unknown>>(
    row: S
  ) => (
    operation: string
  ) => (
    statement: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>
  ) => Effect.Effect<ReadonlyArray<S["Type"]>, Failure>
  /** Runs an effect in one transaction. */
  readonly atOnce: Guard
  /** Makes writes fail with `Fenced` when a newer lease of the fence's resource was granted. */
  readonly fencing: (operation: string, fence: Lease.Fence | undefined) => Fencing
  /** The time in milliseconds since 1970, for use in a statement. Comes from the database where it has a clock. */
  readonly now: Effect.Effect<Statement.Fragment>
  /** The database's function for the lesser of two numbers. */
  readonly lesser: Statement.Fragment | Statement.Literal
}

const Token = Schema.Struct({ token: Whole })

const readerFrom =
  (name: string): Database["reader"] =>
  (row) => {
    const find = SqlSchema.findAll({
      Request: Schema.Unknown,
      Result: row,
      execute: (statement) => statement as Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>
    })
    return (operation) => (statement) =>
      Effect.catchTag(find(statement), "SchemaError", () =>
        failed(operation, new StateStoreError.Damaged({ store: name }))
      )
  }

/**
 * Makes the database of the current `SqlClient`. `name` is its name in messages.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (name: string): Effect.Effect<Database, never, SqlClient.SqlClient> =>
  Effect.map(SqlClient.SqlClient, (sql) => {
    const reader = readerFrom(name)
    const tokens = reader(Token)

    // The next holder of the lease waits until the writes under this one are committed.
    const shared = sql.onDialectOrElse({ pg: () => sql.literal("FOR SHARE"), orElse: () => sql.literal("") })

    const check = Effect.fnUntraced(function* (operation: string, { resource, token }: Lease.Fence) {
      const rows =
        yield* sql`SELECT token FROM remote_leases WHERE resource = ${plain(resource)} ${shared}`.pipe(
          tokens(operation)
        )
      const current = rows[0]?.token ?? 0
      if (current > token) {
        return yield* failed(operation, new StateStoreError.Fenced({ resource, token, current }))
      }
    })

    const fencing: Database["fencing"] = (operation, fence) => {
      const always = sql`1 = 1`
      if (fence === undefined) {
        return { guard: identity, before: Effect.void, clause: always, check: Effect.void }
      }
      const { resource, token } = fence
      const checked = check(operation, fence)
      return sql.onDialectOrElse({
        pg: (): Fencing => ({
          guard: (effect) => sql.withTransaction(Effect.andThen(checked, effect)),
          before: checked,
          clause: always,
          check: Effect.void
        }),
        orElse: (): Fencing => ({
          guard: identity,
          before: Effect.void,
          clause: sql`NOT EXISTS (
            SELECT 1 FROM remote_leases WHERE resource = ${plain(resource)} AND token > ${token})`,
          check: checked
        })
      })
    }

    return {
      sql,
      run: (operation) => fromSql(name, operation),
      reader,
      atOnce: (effect) => sql.withTransaction(effect),
      fencing,
      now: sql.onDialectOrElse({
        pg: () => Effect.succeed(sql`CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`),
        orElse: () => Effect.map(Clock.currentTimeMillis, (millis) => sql`${millis}`)
      }),
      lesser: sql.onDialectOrElse({ pg: () => sql.literal("LEAST"), orElse: () => sql.literal("MIN") })
    }
  })
