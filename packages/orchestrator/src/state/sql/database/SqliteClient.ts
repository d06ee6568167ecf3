import { Duration, Effect, Layer, Option, Predicate, Schedule, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"

/** Which database is opened, and how patiently. */
export interface Options {
  /** A file, which is created when there is none, or `:memory:`. */
  readonly path: string
  /** How long a statement waits for other processes that write, 10 seconds when absent. */
  readonly patience?: Duration.Input | undefined
  /** Only looks: the file must be there and stays as it is. */
  readonly readOnly?: boolean | undefined
}

/** How long SQLite itself waits, with the whole process standing still. What is left of the patience is slept. */
const blockingMillis = 20

/** Statements that are kept ready, of which a store has a few dozen. */
const keptStatements = 128

/** SQLite's own result code, extended where there is one, if SQLite is where this error comes from. */
export const resultCodeOf = (error: SqlError.SqlError): Option.Option<number> => {
  const { cause } = error.reason
  return Predicate.hasProperty(cause, "errcode") && typeof cause.errcode === "number"
    ? Option.some(cause.errcode)
    : Option.none()
}

const sqlError = (operation: string, cause: unknown): SqlError.SqlError => {
  // `node:sqlite` says `errcode` where the classifier looks for `errno`.
  const known =
    Predicate.isObject(cause) && Predicate.hasProperty(cause, "errcode")
      ? Object.assign(cause, { errno: cause.errcode })
      : cause
  return new SqlError.SqlError({
    reason: SqlError.classifySqliteError(known, { operation, message: `SQLite could not ${operation}` })
  })
}

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, SqlError.SqlError> =>
  Effect.try({ try: run, catch: (cause) => sqlError(operation, cause) })

const isLocked = (error: SqlError.SqlError): boolean => error.reason._tag === "LockTimeoutError"

const waiting = (patience: Duration.Duration) =>
  Schedule.min([Schedule.exponential("2 millis"), Schedule.spaced("40 millis")]).pipe(
    Schedule.jittered,
    Schedule.upTo({ duration: patience }),
    Schedule.setInputType<SqlError.SqlError>()
  )

const toInput = (value: unknown): SQLInputValue => {
  if (value === undefined || value === null) return null
  if (typeof value === "boolean") return Number(value)
  if (value instanceof Date) return value.toISOString()
  return value as SQLInputValue
}

const openDatabase = ({ path, readOnly = false }: Options) =>
  // Loaded only here: on versions of Node.js that still call SQLite experimental, loading says so on stderr.
  Effect.flatMap(
    Effect.promise(() => import("node:sqlite")),
    (sqlite) =>
      Effect.acquireRelease(
        attempt(
          "open the database",
          () =>
            new sqlite.DatabaseSync(path, {
              timeout: blockingMillis,
              enableForeignKeyConstraints: true,
              readOnly
            })
        ),
        (database) => Effect.sync(() => database.close())
      )
  )

const makeConnection = (database: DatabaseSync, patience: Duration.Duration) => {
  const statements = new Map<string, StatementSync>()
  const prepared = (sql: string): StatementSync => {
    const known = statements.get(sql)
    if (known !== undefined) return known
    if (statements.size >= keptStatements) statements.clear()
    const statement = database.prepare(sql)
    statements.set(sql, statement)
    return statement
  }
  const schedule = waiting(patience)
  const waitingForLocks = <A>(run: () => A) =>
    attempt("run a statement", run).pipe(
      // Outside of a transaction a statement that met a lock has done nothing. Others of this process go on
      // meanwhile, among them perhaps the one that holds the lock.
      Effect.retry({ while: (error) => isLocked(error) && !database.isTransaction, schedule })
    )
  const run = (sql: string, params: ReadonlyArray<unknown>) =>
    waitingForLocks(() =>
      // SQLite has rolled back by itself after some failures of the disk.
      sql === "ROLLBACK" && !database.isTransaction ? [] : prepared(sql).all(...params.map(toInput))
    )
  const execute: SqlConnection.Connection["execute"] = (sql, params, transform) =>
    transform === undefined ? run(sql, params) : Effect.map(run(sql, params), transform)
  const values = (sql: string, params: ReadonlyArray<unknown>) =>
    waitingForLocks((): ReadonlyArray<ReadonlyArray<unknown>> => {
      const statement = database.prepare(sql)
      statement.setReturnArrays(true)
      return statement.all(...params.map(toInput)) as unknown as ReadonlyArray<ReadonlyArray<unknown>>
    })
  const connection: SqlConnection.Connection = {
    execute,
    executeUnprepared: execute,
    executeRaw: run,
    executeValues: values,
    executeValuesUnprepared: values,
    executeStream: (sql, params, transform) =>
      Stream.unwrap(
        Effect.map(
          // A statement of its own: a kept one may be run again while this is being read.
          attempt("run a statement", () => database.prepare(sql).iterate(...params.map(toInput))),
          (rows) =>
            Stream.paginate(rows, (rest) =>
              attempt("read a row", () => {
                const next = rest.next()
                if (next.done === true) return [[], Option.none()] as const
                return [
                  transform === undefined ? [next.value] : transform([next.value]),
                  Option.some(rest)
                ] as const
              })
            )
        )
      )
  }
  return connection
}

/**
 * A `SqlClient` over the SQLite of Node.js, with one connection that closes with the scope.
 *
 * Several processes, and several clients of one process, may have the same file open: it is in WAL mode,
 * transactions begin `IMMEDIATE`, and whoever meets a lock waits. `synchronous` is `NORMAL`: what was committed
 * outlives this process however it ends, and the file stays whole when the power fails, but the last commits
 * before a power failure may be missing.
 *
 * Fails with the reason that `SqlError` has for the result code, `UnknownError` where it has none; see
 * {@link resultCodeOf}.
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const patience = Duration.fromInputUnsafe(options.patience ?? "10 seconds")
  const database = yield* openDatabase(options)
  const connection = makeConnection(database, patience)
  if (options.readOnly !== true) {
    yield* attempt("set up the connection", () => database.exec("PRAGMA synchronous = NORMAL"))
    // The mode is stored in the file. Another process may be switching it on at the same moment.
    const [mode] = yield* connection.executeValues("PRAGMA journal_mode", [])
    if (options.path !== ":memory:" && mode?.[0] !== "wal") {
      yield* connection.executeRaw("PRAGMA journal_mode = WAL", [])
    }
  }
  const acquirers = SqlClient.makeSqliteAcquirers({
    connection: Effect.succeed(connection),
    semaphore: yield* Semaphore.make(1),
    isTransaction: () => database.isTransaction
  })
  return yield* SqlClient.make({
    ...acquirers,
    driver: "node-sqlite",
    compiler: Statement.makeCompilerSqlite(),
    beginTransaction: "BEGIN IMMEDIATE",
    prepareTransactionControls: true,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [["db.system.name", "sqlite"]]
  })
})

/** The client of a file or of `:memory:`, closed with the layer. See {@link make}. */
export const layer = (options: Options): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer))
