import { StateStoreError } from "@remote-agent/domain"
import { Effect, Option, Predicate } from "effect"
import { type Migrator, SqlError } from "effect/sql"
import * as SqliteClient from "./SqliteClient.ts"

/** Everything that fails between a store and its database. */
type Failure = SqlError.SqlError | Migrator.MigrationError | StateStoreError.StateStoreError

const obstacleOfCode: Readonly<Record<number, StateStoreError.Obstacle>> = {
  3: "unreachable",
  5: "locked",
  6: "locked",
  8: "readOnly",
  10: "ioFailed",
  13: "full",
  14: "unreachable"
}

/** Postgres' codes (SQLSTATE) for which its client has no reason. */
const obstacleOfState: Readonly<Record<string, StateStoreError.Obstacle>> = {
  "25006": "readOnly",
  "25P03": "unreachable",
  "3D000": "unreachable",
  "53100": "full",
  "53200": "unreachable",
  "53300": "unreachable",
  "57P01": "unreachable",
  "57P02": "unreachable",
  "57P03": "unreachable",
  "58000": "ioFailed",
  "58030": "ioFailed"
}

/** Postgres' codes for damaged pages and indexes. */
const damagedStates: ReadonlySet<string> = new Set(["XX001", "XX002"])

const stateOf = ({ reason: { cause } }: SqlError.SqlError): string =>
  Predicate.hasProperty(cause, "code") ? String(cause.code) : ""

/** SQLite's codes for a damaged file, and for a file that is not a database. */
const damagedCodes: ReadonlySet<number> = new Set([11, 26])

/** Postgres' code for a table that does not exist. */
const undefinedTable = "42P01"

/** SQLite's general code, which a missing table has like every mistake in a statement. */
const generalError = 1

/**
 * Whether a statement may have failed because a table does not exist.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isMissingTable = (error: SqlError.SqlError): boolean =>
  stateOf(error) === undefinedTable ||
  Option.exists(SqliteClient.resultCodeOf(error), (code) => code === generalError)

const obstacleOfReason = (tag: SqlError.SqlErrorReason["_tag"]): StateStoreError.Obstacle | undefined => {
  switch (tag) {
    case "LockTimeoutError":
    case "DeadlockError":
    case "SerializationError":
      return "locked"
    case "StatementTimeoutError":
      return "slow"
    case "ConnectionError":
    case "AuthenticationError":
      return "unreachable"
    case "AuthorizationError":
      return "readOnly"
    default:
      return undefined
  }
}

/**
 * The reason of a failure. Messages of the database are left out, because they may contain data. Returns none for an
 * error that only a mistake in this program explains.
 */
const reasonOf = (
  store: string,
  error: SqlError.SqlError
): Option.Option<StateStoreError.Unavailable | StateStoreError.Damaged> => {
  // The lower byte is the primary code, the upper bytes extend it.
  const code = Option.getOrUndefined(SqliteClient.resultCodeOf(error))
  const state = stateOf(error)
  if ((code !== undefined && damagedCodes.has(code & 0xff)) || damagedStates.has(state)) {
    return Option.some(new StateStoreError.Damaged({ store }))
  }
  const obstacle =
    code === undefined
      ? (obstacleOfState[state] ?? obstacleOfReason(error.reason._tag))
      : obstacleOfCode[code & 0xff]
  return Option.map(
    Option.fromUndefinedOr(obstacle),
    (known) => new StateStoreError.Unavailable({ store, obstacle: known })
  )
}

/**
 * Turns the failures of a database into those of the store `store`. A mistake in this program becomes a defect.
 *
 * @category errors
 * @since 0.1.0
 */
export const fromSql =
  (store: string, operation: string) =>
  <A, R>(effect: Effect.Effect<A, Failure, R>): Effect.Effect<A, StateStoreError.StateStoreError, R> =>
    // A failed rollback is a defect: the connection was lost, and nothing was committed.
    Effect.catchDefect(effect, (defect) =>
      SqlError.isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect)
    ).pipe(
      Effect.catch((error) => {
        if (error._tag === "StateStoreError") return Effect.fail(error)
        const cause = error._tag === "MigrationError" ? error.cause : error
        const reason = SqlError.isSqlError(cause) ? reasonOf(store, cause) : Option.none()
        return Option.match(reason, {
          onNone: () => Effect.die(error),
          onSome: (known) => Effect.fail(new StateStoreError.StateStoreError({ operation, reason: known }))
        })
      })
    )
