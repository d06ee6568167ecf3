import { Duration, Effect, Layer, Redacted } from "effect"
import type { SqlClient, SqlError } from "effect/sql"

/** Which database is used, and how patiently. */
export interface Options {
  /** `postgres://user:password@host:port/database`, with the parameters that libpq knows. */
  readonly url: Redacted.Redacted
  /** How many connections there are at most; 10 when absent. Whoever finds none free waits. */
  readonly connections?: number | undefined
  /** How long the server may work on one statement, and wait for others that write; 10 seconds when absent. */
  readonly patience?: Duration.Input | undefined
}

/** The longest value that a server sends: as long as one can be there. */
const maxMessageSize = 1 << 30

/** What a database is called in messages: its address without who uses it and with which password. */
export const nameOf = (url: Redacted.Redacted): string => {
  const parsed = URL.parse(Redacted.value(url))
  return parsed === null ? "the Postgres database" : `postgres://${parsed.host}${parsed.pathname}`
}

/**
 * A `SqlClient` over connections to a Postgres server, opened when they are needed and closed with the layer. A
 * connection that was lost is replaced by the next statement. The server ends what takes too long, and the
 * transaction of a process that stands still.
 */
export const layer = ({
  connections = 10,
  patience = "10 seconds",
  url
}: Options): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> => {
  const millis = Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(patience)))
  // Loaded only where there is a Postgres: a start without one need not read the driver.
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
          // A little less, so that waiting for others is told from working for long.
          lock_timeout: String(Math.ceil(millis * 0.9)),
          idle_in_transaction_session_timeout: "60000"
        }
      })
    )
  )
}
