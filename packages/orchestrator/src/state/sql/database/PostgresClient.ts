import { Duration, Effect, Layer, Redacted } from "effect"
import type { SqlClient, SqlError } from "effect/sql"

/**
 * The options of a Postgres client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** `postgres://user:password@host:port/database`, with the parameters that libpq knows. */
  readonly url: Redacted.Redacted
  /** The number of connections at most. Default: 10. A statement waits for a free connection. */
  readonly connections?: number | undefined
  /** The time limit of a statement, waiting for locks included. Default: 10 seconds. */
  readonly patience?: Duration.Input | undefined
}

/** The limit of a message: the longest value that a server can hold. */
const maxMessageSize = 1 << 30

/**
 * The name of a database in messages: its address without user and password.
 *
 * @category messages
 * @since 0.1.0
 */
export const nameOf = (url: Redacted.Redacted): string => {
  const parsed = URL.parse(Redacted.value(url))
  return parsed === null ? "the Postgres database" : `postgres://${parsed.host}${parsed.pathname}`
}

/**
 * A `SqlClient` over a pool of connections to a Postgres server.
 *
 * **Details**
 *
 * Connections open on demand and close with the layer. The next statement replaces a lost connection. The server ends
 * statements that take too long, and transactions that are idle for a minute.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({
  connections = 10,
  patience = "10 seconds",
  url
}: Options): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> => {
  const millis = Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(patience)))
  // Loaded on demand: programs without Postgres start faster.
  const driver = Effect.promise(() => import("@effect/sql-pg/PgClient"))
  return Layer.unwrap(
    Effect.map(driver, (PgClient) =>
      PgClient.layer({
        url,
        maxConnections: connections,
        applicationName: "remote-agent",
        connectTimeout: patience,
        keepAlive: "30 seconds",
        maxMessageSize,
        startupParameters: {
          statement_timeout: String(millis),
          // A little less, so that a lock is reported as a lock and not as a slow statement.
          lock_timeout: String(Math.ceil(millis * 0.9)),
          idle_in_transaction_session_timeout: "60000"
        }
      })
    )
  )
}
