import { AgentEvent, Id, type Lease, Query, StateStoreError, TokenUsage } from "@remote-agent/domain"
import { Array as Arr, DateTime, Effect, Option, Schema, Stream } from "effect"
import { added, type Database, failed, first, pageSize, Plain, Whole } from "./database/SqlDatabase.ts"
import type { StateStore } from "../StateStore.ts"

/** What a store does with queries. */
export type SqlQueries = Pick<
  StateStore["Service"],
  "createQuery" | "getQuery" | "listQueries" | "startQuery" | "requestCancel" | "usage" | "poolUsage"
>

const Time = Schema.NullOr(Schema.DateTimeUtcFromString)

const Job = Schema.fromJsonString(Schema.toCodecJson(Query.QueryJob))

/** What never changes of a query is in `body`; what its course changes has columns, so that one statement does it. */
const QueryRow = Schema.Struct({
  status: Query.QueryStatus,
  outcome: Schema.NullOr(AgentEvent.Outcome),
  error: Schema.NullOr(Plain),
  job: Schema.NullOr(Job),
  cancel_requested_at: Time,
  cancel_requested_by: Schema.NullOr(Plain),
  started_at: Time,
  ended_at: Time,
  input_tokens: Schema.NullOr(Whole),
  output_tokens: Schema.NullOr(Whole),
  cost_usd: Schema.NullOr(Schema.Finite),
  wall_millis: Schema.NullOr(Schema.Finite),
  body: Schema.fromJsonString(Schema.toCodecJson(Query.Query))
})

const SumRow = Schema.Struct({
  outcome: AgentEvent.Outcome,
  queries: Whole,
  input_tokens: Schema.NullOr(Schema.Finite),
  output_tokens: Schema.NullOr(Schema.Finite),
  cost_usd: Schema.NullOr(Schema.Finite),
  wall_millis: Schema.NullOr(Schema.Finite)
})

/** What a query of a pool that runs has told, or without an id what all its agents' queries that have ended used. */
const PoolRow = Schema.Struct({
  id: Schema.NullOr(Id.QueryId),
  started_at: Time,
  input_tokens: Schema.NullOr(Schema.Finite),
  output_tokens: Schema.NullOr(Schema.Finite),
  cost_usd: Schema.NullOr(Schema.Finite),
  wall_millis: Schema.NullOr(Schema.Finite)
})

/** Nothing else is asked for: some databases fail for text that they cannot hold. */
const isPoolName = Schema.is(Id.PoolName)

const decodeQueries = Schema.decodeUnknownEffect(Schema.Array(QueryRow))
const decodeSums = Schema.decodeUnknownEffect(Schema.Array(SumRow))
const encodeJob = Schema.encodeEffect(Job)
const decodePool = Schema.decodeUnknownEffect(Schema.Array(PoolRow))
const encodeQuery = Schema.encodeEffect(QueryRow)

/** The columns of a usage; none of them is set where there is none. */
export const usageColumns = (usage: TokenUsage.TokenUsage | undefined) => ({
  input_tokens: usage?.inputTokens ?? null,
  output_tokens: usage?.outputTokens ?? null,
  cost_usd: usage?.costUsd ?? null,
  wall_millis: usage?.wallMillis ?? null
})

const most = Number.MAX_SAFE_INTEGER

/** A usage from its columns, also from sums that are greater than any usage may be. */
const toUsage = (row: Readonly<Record<keyof ReturnType<typeof usageColumns>, number | null>>) =>
  row.input_tokens === null || row.output_tokens === null || row.wall_millis === null
    ? undefined
    : new TokenUsage.TokenUsage({
        inputTokens: Math.min(most, row.input_tokens),
        outputTokens: Math.min(most, row.output_tokens),
        wallMillis: Math.min(most, row.wall_millis),
        ...(row.cost_usd === null ? {} : { costUsd: Math.min(most, row.cost_usd) })
      })

const usedOf = (row: typeof PoolRow.Type) => toUsage(row) ?? TokenUsage.zero

const toQuery = (row: typeof QueryRow.Type): Query.Query => {
  // Of one that runs, the columns have what it has told by now.
  const usage = row.status === "ended" ? toUsage(row) : undefined
  return new Query.Query({
    ...row.body,
    status: row.status,
    ...(row.outcome === null ? {} : { outcome: row.outcome }),
    ...(row.error === null ? {} : { error: row.error }),
    ...(usage === undefined ? {} : { usage }),
    ...(row.job === null ? {} : { job: row.job }),
    ...(row.cancel_requested_at === null ? {} : { cancelRequestedAt: row.cancel_requested_at }),
    ...(row.cancel_requested_by === null ? {} : { cancelRequestedBy: row.cancel_requested_by }),
    ...(row.started_at === null ? {} : { startedAt: row.started_at }),
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at })
  })
}

const toRow = (query: Query.Query): typeof QueryRow.Type => ({
  status: query.status,
  outcome: query.outcome ?? null,
  error: query.error ?? null,
  job: query.job ?? null,
  cancel_requested_at: query.cancelRequestedAt ?? null,
  cancel_requested_by: query.cancelRequestedBy ?? null,
  started_at: query.startedAt ?? null,
  ended_at: query.endedAt ?? null,
  ...usageColumns(query.usage),
  body: query
})

/** Of numbers that are not whole: the sum of whole ones might be greater than a database can hold. */
const sum = (column: string) => `SUM(CAST(${column} AS DOUBLE PRECISION)) AS ${column}`

/** Says why a query takes no more: it has ended, or there is none. */
export const closedOrUnknown = Effect.fnUntraced(function* (
  { sql }: Database,
  operation: string,
  id: Id.QueryId
) {
  const rows = yield* sql`SELECT id FROM remote_queries WHERE id = ${id}`
  yield* first(operation, id)(rows)
  return yield* failed(operation, new StateStoreError.LogClosed({ id }))
})

/** The queries of a database. See `SqlStateStore.make`. */
export const make = (database: Database): SqlQueries => {
  const { decoded, fenced, run, sql } = database
  const columns = sql.literal(Object.keys(QueryRow.fields).join(", "))

  const createQuery = Effect.fn("StateStore.createQuery")(function* (query: Query.Query) {
    const { agentId: agent_id, id } = query
    const row = { id, agent_id, next_seq: 0, ...(yield* Effect.orDie(encodeQuery(toRow(query)))) }
    yield* sql`INSERT INTO remote_queries ${sql.insert(row)} ON CONFLICT (id) DO NOTHING RETURNING id`.pipe(
      Effect.flatMap(added("createQuery", id)),
      run("createQuery")
    )
  })

  const get = (operation: string, id: Id.QueryId) =>
    sql`SELECT ${columns} FROM remote_queries WHERE id = ${id}`.pipe(
      Effect.flatMap(decoded(operation, decodeQueries)),
      Effect.flatMap(first(operation, id)),
      Effect.map(toQuery)
    )

  const startQuery = Effect.fn("StateStore.startQuery")(function* (
    id: Id.QueryId,
    started: Query.QueryJob,
    fence?: Lease.Fence
  ) {
    const at = DateTime.formatIso(yield* DateTime.now)
    const job = yield* Effect.orDie(encodeJob(started))
    return yield* sql`
      UPDATE remote_queries SET status = 'running', job = ${job}, started_at = COALESCE(started_at, ${at})
      WHERE id = ${id} AND status <> 'ended' RETURNING ${columns}`.pipe(
      Effect.flatMap(decoded("startQuery", decodeQueries)),
      Effect.flatMap(([row]) =>
        row === undefined ? closedOrUnknown(database, "startQuery", id) : Effect.succeed(toQuery(row))
      ),
      fenced("startQuery", fence),
      run("startQuery")
    )
  })

  const requestCancel = Effect.fn("StateStore.requestCancel")(function* (id: Id.QueryId, by?: string) {
    const at = DateTime.formatIso(yield* DateTime.now)
    const change = {
      cancel_requested_at: at,
      cancel_requested_by: by === undefined ? null : JSON.stringify(by)
    }
    return yield* sql`
      UPDATE remote_queries SET ${sql.update(change)}
      WHERE id = ${id} AND status <> 'ended' AND cancel_requested_at IS NULL RETURNING ${columns}`.pipe(
      Effect.flatMap(decoded("requestCancel", decodeQueries)),
      Effect.flatMap(([row]) =>
        row === undefined ? get("requestCancel", id) : Effect.succeed(toQuery(row))
      ),
      run("requestCancel")
    )
  })

  const listQueries: SqlQueries["listQueries"] = ({ agentId, status } = {}, range = {}) => {
    const { limit = Number.MAX_SAFE_INTEGER } = range
    return Stream.paginate({ after: range.after ?? "", left: limit }, ({ after, left }) => {
      const size = Math.min(pageSize, left)
      const clauses = [
        sql`id > ${after}`,
        ...(agentId === undefined ? [] : [sql`agent_id = ${agentId}`]),
        ...(status === undefined ? [] : [sql`status = ${status}`])
      ]
      return sql`
        SELECT ${columns} FROM remote_queries WHERE ${sql.and(clauses)} ORDER BY id LIMIT ${size}`.pipe(
        Effect.flatMap(decoded("listQueries", decodeQueries)),
        Effect.map((rows) => {
          const queries = rows.map(toQuery)
          const last = queries.length < pageSize ? Option.none() : Arr.last(queries)
          const next = Option.map(last, ({ id }) => ({ after: id as string, left: left - queries.length }))
          return [queries, next] as const
        }),
        run("listQueries")
      )
    })
  }

  const usage: SqlQueries["usage"] = Effect.fn("StateStore.usage")(function* ({ agentId, pool, since } = {}) {
    if (pool !== undefined && !isPoolName(pool)) return { usage: TokenUsage.zero, queries: 0, outcomes: {} }
    const ofPool = sql`SELECT id FROM remote_agents WHERE pool = ${pool}`
    const clauses = [
      sql`outcome IS NOT NULL`,
      ...(agentId === undefined ? [] : [sql`agent_id = ${agentId}`]),
      ...(pool === undefined ? [] : [sql`agent_id IN (${ofPool})`]),
      ...(since === undefined ? [] : [sql`ended_at >= ${DateTime.formatIso(since)}`])
    ]
    const sums = sql.literal(Object.keys(usageColumns(undefined)).map(sum).join(", "))
    const rows = yield* sql`
      SELECT outcome, COUNT(*) AS queries, ${sums} FROM remote_queries
      WHERE ${sql.and(clauses)} GROUP BY outcome ORDER BY outcome`.pipe(
      Effect.flatMap(decoded("usage", decodeSums)),
      run("usage")
    )
    return {
      usage: rows.reduce((all, row) => TokenUsage.add(all, toUsage(row) ?? TokenUsage.zero), TokenUsage.zero),
      queries: rows.reduce((all, row) => all + row.queries, 0),
      outcomes: Object.fromEntries(rows.map((row) => [row.outcome, row.queries]))
    }
  })

  // One statement, which sees one moment: a query that ends meanwhile is counted once.
  const poolUsage: SqlQueries["poolUsage"] = Effect.fn("StateStore.poolUsage")(function* (pool) {
    const names = Object.keys(usageColumns(undefined))
    const sums = sql.literal(names.map(sum).join(", "))
    const numbers = sql.literal(names.map((name) => `CAST(${name} AS DOUBLE PRECISION)`).join(", "))
    const rows = yield* sql`
      SELECT CAST(NULL AS TEXT) AS id, CAST(NULL AS TEXT) AS started_at, ${sums}
      FROM remote_agents WHERE pool = ${pool}
      UNION ALL
      SELECT CAST(id AS TEXT), CAST(started_at AS TEXT), ${numbers} FROM remote_queries
      WHERE status = 'running' AND agent_id IN (SELECT id FROM remote_agents WHERE pool = ${pool})
      ORDER BY id`.pipe(Effect.flatMap(decoded("poolUsage", decodePool)), run("poolUsage"))
    return {
      ended: rows.reduce(
        (all, row) => (row.id === null ? TokenUsage.add(all, usedOf(row)) : all),
        TokenUsage.zero
      ),
      running: rows.flatMap((row) =>
        row.id === null || row.started_at === null
          ? []
          : [{ id: row.id, startedAt: row.started_at, usage: usedOf(row) }]
      )
    }
  })

  return {
    createQuery,
    getQuery: Effect.fn("StateStore.getQuery")((id) => run("getQuery")(get("getQuery", id))),
    listQueries,
    startQuery,
    requestCancel,
    usage,
    poolUsage
  }
}
