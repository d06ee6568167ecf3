import { StateStoreError } from "@remote-agent/domain"
import { Effect } from "effect"
import { Migrator, SqlClient, type SqlError } from "effect/sql"
import { isMissingTable } from "./SqlFailure.ts"

/** The table that records the migrations of a database. */
const table = "remote_migrations"

/**
 * Text that is compared byte by byte, which is SQLite's default: ids then sort by time, whatever the collation of the
 * database.
 */
const bytewise = (sql: SqlClient.SqlClient) =>
  sql.onDialectOrElse({ pg: () => sql.literal(`TEXT COLLATE "C"`), orElse: () => sql.literal("TEXT") })

const agentsQueriesEvents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const id = bytewise(sql)
  yield* sql`CREATE TABLE remote_agents (
    id ${id} PRIMARY KEY NOT NULL,
    revision BIGINT NOT NULL,
    status TEXT NOT NULL,
    body TEXT NOT NULL
  )`
  yield* sql`CREATE TABLE remote_queries (
    id ${id} PRIMARY KEY NOT NULL,
    agent_id ${id} NOT NULL,
    status TEXT NOT NULL,
    outcome TEXT,
    ended_at TEXT,
    next_seq BIGINT NOT NULL,
    body TEXT NOT NULL
  )`
  yield* sql`CREATE TABLE remote_events (
    query_id ${id} NOT NULL REFERENCES remote_queries (id),
    seq BIGINT NOT NULL,
    at TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (query_id, seq)
  )`
})

const indexes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE INDEX remote_agents_by_status ON remote_agents (status, id)`
  yield* sql`CREATE INDEX remote_queries_by_agent ON remote_queries (agent_id, id)`
})

/** The columns for searches and usage, and the tables of pools, intents, deliveries and leases. */
const searchAndLeases = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const text = bytewise(sql)
  // Done once, however long it takes for the rows there are.
  yield* sql.onDialectOrElse({ pg: () => sql`SET LOCAL statement_timeout = 0`, orElse: () => Effect.void })
  const columns = {
    remote_agents: [
      sql`name ${text} NOT NULL DEFAULT ''`,
      sql`profile ${text} NOT NULL DEFAULT ''`,
      sql`pool ${text}`,
      sql`labels TEXT NOT NULL DEFAULT '{}'`,
      sql`input_tokens BIGINT NOT NULL DEFAULT 0`,
      sql`output_tokens BIGINT NOT NULL DEFAULT 0`,
      sql`cost_usd DOUBLE PRECISION`,
      sql`wall_millis DOUBLE PRECISION NOT NULL DEFAULT 0`
    ],
    remote_queries: [
      sql`error TEXT`,
      sql`job TEXT`,
      sql`cancel_requested_at TEXT`,
      sql`cancel_requested_by TEXT`,
      sql`started_at TEXT`,
      sql`input_tokens BIGINT`,
      sql`output_tokens BIGINT`,
      sql`cost_usd DOUBLE PRECISION`,
      sql`wall_millis DOUBLE PRECISION`
    ]
  }
  for (const [name, added] of Object.entries(columns)) {
    for (const column of added) yield* sql`ALTER TABLE ${sql(name)} ADD COLUMN ${column}`
  }
  yield* sql.onDialectOrElse({
    pg: () => sql`
      UPDATE remote_agents SET
        name = CAST(body AS JSON) ->> 'name', profile = CAST(CAST(body AS JSON) -> 'profile' AS TEXT)`,
    orElse: () => sql`UPDATE remote_agents SET name = body ->> '$.name', profile = body -> '$.profile'`
  })
  yield* sql.onDialectOrElse({
    pg: () => sql`ALTER TABLE remote_queries ALTER COLUMN ended_at TYPE ${text}`,
    orElse: () => Effect.void
  })
  yield* sql`CREATE INDEX remote_agents_by_name ON remote_agents (name, id)`
  yield* sql`CREATE INDEX remote_agents_by_profile ON remote_agents (profile, id)`
  yield* sql`CREATE INDEX remote_agents_by_pool ON remote_agents (pool, id)`
  yield* sql.onDialectOrElse({
    pg: () =>
      sql`CREATE INDEX remote_agents_by_label ON remote_agents USING GIN ((CAST(labels AS JSONB)) jsonb_path_ops)`,
    orElse: () => Effect.void
  })
  yield* sql`CREATE INDEX remote_queries_by_status ON remote_queries (status, id)`
  yield* sql`CREATE TABLE remote_pools (
    name ${text} PRIMARY KEY NOT NULL,
    revision BIGINT NOT NULL,
    body TEXT NOT NULL
  )`
  yield* sql`CREATE TABLE remote_intents (id ${text} PRIMARY KEY NOT NULL, body TEXT NOT NULL)`
  yield* sql`CREATE TABLE remote_deliveries (
    id ${text} PRIMARY KEY NOT NULL,
    token TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    state TEXT NOT NULL,
    until_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    reason TEXT
  )`
  yield* sql`CREATE INDEX remote_deliveries_by_age ON remote_deliveries (changed_ms)`
  yield* sql`CREATE TABLE remote_leases (
    resource ${text} PRIMARY KEY NOT NULL,
    holder TEXT,
    token BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
  )`
})

const settings = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE remote_settings (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)`
})

const setUps = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const text = bytewise(sql)
  yield* sql`CREATE TABLE remote_setups (
    id ${text} PRIMARY KEY NOT NULL,
    provider TEXT NOT NULL,
    template TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    used_ms BIGINT NOT NULL
  )`
})

/**
 * A name is held by one agent that is launching, active or paused. Where older versions gave several living agents
 * one name, the oldest holds it, and the others keep it without holding it.
 */
const heldNames = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql.onDialectOrElse({ pg: () => sql`SET LOCAL statement_timeout = 0`, orElse: () => Effect.void })
  yield* sql`ALTER TABLE remote_agents ADD COLUMN held_name ${bytewise(sql)}`
  yield* sql`
    UPDATE remote_agents SET held_name = name WHERE id IN (
      SELECT MIN(id) FROM remote_agents
      WHERE status IN ('launching', 'active', 'paused') AND name <> '' GROUP BY name)`
  yield* sql`CREATE UNIQUE INDEX remote_agents_by_held_name ON remote_agents (held_name)`
})

/** The data that the servers of one state share: the hashes of access tokens, and the keys of requests. */
const access = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const text = bytewise(sql)
  yield* sql`CREATE TABLE remote_access_tokens (
    id ${text} PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    hash ${text} UNIQUE NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT
  )`
  yield* sql`CREATE TABLE remote_request_keys (
    id ${text} PRIMARY KEY NOT NULL,
    operation TEXT NOT NULL,
    record_id TEXT NOT NULL,
    state TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
  )`
  yield* sql`CREATE INDEX remote_request_keys_by_age ON remote_request_keys (created_ms)`
})

/** Durable runs: a record each, their questions, and the agents in their slots. */
const runs = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const text = bytewise(sql)
  yield* sql`CREATE TABLE remote_runs (
    id ${text} PRIMARY KEY NOT NULL,
    status ${text} NOT NULL,
    priority BIGINT NOT NULL,
    body TEXT NOT NULL
  )`
  yield* sql`CREATE INDEX remote_runs_by_status ON remote_runs (status, id)`
  yield* sql`CREATE TABLE remote_run_questions (
    run_id ${text} NOT NULL REFERENCES remote_runs (id),
    idx BIGINT NOT NULL,
    state ${text} NOT NULL,
    not_before_ms BIGINT NOT NULL,
    slot BIGINT,
    seq BIGINT,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, idx)
  )`
  yield* sql`
    CREATE INDEX remote_run_questions_waiting ON remote_run_questions (run_id, not_before_ms, idx)
    WHERE state = 'waiting'`
  yield* sql`CREATE UNIQUE INDEX remote_run_questions_by_slot ON remote_run_questions (run_id, slot) WHERE slot IS NOT NULL`
  yield* sql`CREATE UNIQUE INDEX remote_run_questions_by_seq ON remote_run_questions (run_id, seq) WHERE seq IS NOT NULL`
  yield* sql`CREATE TABLE remote_run_slots (
    run_id ${text} NOT NULL REFERENCES remote_runs (id),
    slot BIGINT NOT NULL,
    agent_id ${text},
    PRIMARY KEY (run_id, slot)
  )`
  yield* sql`CREATE INDEX remote_run_slots_by_agent ON remote_run_slots (run_id) WHERE agent_id IS NOT NULL`
})

/** Schedules with their times, the queries that count towards shared limits, and the workers. */
const schedulesLimitsWorkers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const text = bytewise(sql)
  yield* sql`CREATE TABLE remote_schedules (id ${text} PRIMARY KEY NOT NULL, body TEXT NOT NULL)`
  yield* sql`CREATE TABLE remote_schedule_ticks (
    schedule_id ${text} NOT NULL,
    tick_ms BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    run_id ${text},
    PRIMARY KEY (schedule_id, tick_ms)
  )`
  yield* sql`CREATE INDEX remote_schedule_ticks_by_run ON remote_schedule_ticks (run_id)`
  yield* sql`CREATE TABLE remote_limit_keys (name ${text} PRIMARY KEY NOT NULL, blocked_ms BIGINT NOT NULL)`
  yield* sql`CREATE TABLE remote_limit_uses (
    name ${text} NOT NULL,
    id ${text} NOT NULL,
    started_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    tokens BIGINT NOT NULL,
    PRIMARY KEY (name, id)
  )`
  yield* sql`CREATE INDEX remote_limit_uses_by_id ON remote_limit_uses (id)`
  yield* sql`CREATE TABLE remote_workers (
    name ${text} PRIMARY KEY NOT NULL,
    started_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    slots BIGINT NOT NULL,
    draining BIGINT NOT NULL
  )`
})

/** The steps from an empty database to the schema of this version. A released step never changes. */
const steps = {
  "1_agents_queries_events": agentsQueriesEvents,
  "2_indexes": indexes,
  "3_search_and_leases": searchAndLeases,
  "4_settings": settings,
  "5_set_ups": setUps,
  "6_held_names": heldNames,
  "7_access": access,
  "8_runs": runs,
  "9_schedules_limits_workers": schedulesLimitsWorkers
}

/**
 * The schema that this version reads and writes.
 *
 * @category migrations
 * @since 0.1.0
 */
export const latest: number = Object.keys(steps).length

const tables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql.onDialectOrElse({
    pg: () =>
      sql<{ name: string }>`SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()`,
    orElse: () => sql<{ name: string }>`SELECT name FROM sqlite_schema WHERE type = 'table'`
  })
  return rows.map(({ name }) => name)
})

/**
 * The content of a database: nothing, only tables that are not ours, or our schema in some version.
 *
 * @category models
 * @since 0.1.0
 */
export type Content =
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Foreign" }
  | { readonly _tag: "Ours"; readonly schema: number }

const schemaOf = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{
    latest: number | string | null
  }>`SELECT MAX(migration_id) AS latest FROM ${sql(table)}`
  const schema = Number(rows[0]?.latest ?? 0)
  // The table is created in a step of its own before the first migration.
  return schema === 0 ? ({ _tag: "Empty" } as const) : ({ _tag: "Ours", schema } as const)
})

/**
 * Reads the content of a database and changes nothing. One statement is enough for a database of ours.
 *
 * @category migrations
 * @since 0.1.0
 */
export const content: Effect.Effect<Content, SqlError.SqlError, SqlClient.SqlClient> = Effect.catchIf(
  schemaOf,
  isMissingTable,
  () =>
    Effect.flatMap(tables, (found): Effect.Effect<Content, SqlError.SqlError, SqlClient.SqlClient> =>
      // Another process may have created the table in between.
      found.includes(table) ? schemaOf : Effect.succeed({ _tag: found.length === 0 ? "Empty" : "Foreign" })
    )
)

/**
 * Fails with `NewerSchema` when a database has a schema that this version does not know.
 *
 * @category migrations
 * @since 0.1.0
 */
export const refuseNewer = (
  store: string,
  holds: Content
): Effect.Effect<void, StateStoreError.StateStoreError> =>
  holds._tag === "Ours" && holds.schema > latest
    ? Effect.fail(
        new StateStoreError.StateStoreError({
          operation: "open",
          reason: new StateStoreError.NewerSchema({ store, found: holds.schema, supported: latest })
        })
      )
    : Effect.void

/**
 * Migrates the database to the schema of this version, in one transaction.
 *
 * **Details**
 *
 * Several processes may migrate at once: one of them migrates, and the others find it done. `beforeUpgrade` runs
 * before an older schema is changed. Fails with `NewerSchema` when the database has, or meanwhile got, a newer
 * schema.
 *
 * @category migrations
 * @since 0.1.0
 */
export const migrate = Effect.fn("Migrations.migrate")(function* <E, R>(
  store: string,
  beforeUpgrade: (schema: number) => Effect.Effect<void, E, R>
) {
  const before = yield* content
  yield* refuseNewer(store, before)
  if (before._tag === "Ours" && before.schema === latest) return
  if (before._tag === "Ours") yield* beforeUpgrade(before.schema)
  yield* Migrator.make({})({ loader: Migrator.fromRecord(steps), table })
  yield* refuseNewer(store, yield* content)
})
