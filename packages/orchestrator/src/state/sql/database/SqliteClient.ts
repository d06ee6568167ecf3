import { Duration, Effect, Layer, Option, Predicate, Schedule, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"

/**
 * The options of a SQLite client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** A file, which is created when it does not exist, or `:memory:`. */
  readonly path: string
  /** How long a statement waits for the locks of other processes. Default: 10 seconds. */
  readonly patience?: Duration.Input | undefined
  /** Opens an existing file for reading only. */
  readonly readOnly?: boolean | undefined
}

/** How long SQLite itself waits, which blocks the process. The rest of `patience` is waited for without blocking. */
const blockingMillis = 20

/** The number of prepared statements that are kept. A store has a few dozen. */
const keptStatements = 128

/**
 * The result code of an error from SQLite, the extended code where there is one.
 *
 * @category errors
 * @since 0.1.0
 */
export const resultCodeOf = (error: SqlError.SqlError): Option.Option<number> => {
  const { cause } = error.reason
  return Predicate.hasProperty(cause, "errcode") && typeof cause.errcode === "number"
    ? Option.some(cause.errcode)
    : Option.none()
}

const sqlError = (operation: string, cause: unknown): SqlError.SqlError => {
  // `node:sqlite` has the code in `errcode`, and the classifier expects `errno`.
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
  // Loaded on demand: some versions of Node.js print a warning when they load SQLite.
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
      // Outside of a transaction, a statement that met a lock has done nothing. Other fibers run meanwhile, perhaps
      // the one that holds the lock.
      Effect.retry({ while: (error) => isLocked(error) && !database.isTransaction, schedule })
    )
  const run = (sql: string, params: ReadonlyArray<unknown>) =>
    waitingForLocks(() =>
      // SQLite rolls back on its own after some failures of the disk.
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
          // Not a kept statement: that could run again while this one is being read.
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
 * Makes a `SqlClient` over the SQLite of Node.js, with one connection that closes with the scope.
 *
 * **Details**
 *
 * Several processes, and several clients of one process, may open the same file: it is in WAL mode, transactions begin
 * `IMMEDIATE`, and a statement waits for locks. `synchronous` is `NORMAL`: commits survive every end of this process,
 * and the file survives a power failure, but the last commits before it may be lost.
 *
 * Fails with the reason of `SqlError` for the result code, `UnknownError` where it has none.
 *
 * @see {@link resultCodeOf}
 * @category constructors
 * @since 0.1.0
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

/**
 * The client of a file or of `:memory:`, closed with the layer.
 *
 * @see {@link make}
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer))
