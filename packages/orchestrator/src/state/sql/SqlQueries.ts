import { AgentEvent, Id, type Lease, Query, StateStoreError } from "@remote-agent/domain"
import { Array as Arr, DateTime, Effect, Option, Schema, Stream } from "effect"
import { added, type Database, failed, first, pageSize, Plain, plain, Whole } from "./database/SqlDatabase.ts"
import { toUsage, usageColumns } from "./SqlUsage.ts"
import { leastIdAt, mostFound, type QueryFilter, type StateStore } from "../StateStore.ts"

/**
 * The methods of the store that read and write queries.
 *
 * @category models
 * @since 0.1.0
 */
export type SqlQueries = Pick<
  StateStore["Service"],
  "createQuery" | "getQuery" | "findQueries" | "newestQuery" | "listQueries" | "startQuery" | "requestCancel"
>

const Time = Schema.NullOr(Schema.DateTimeUtcFromString)

const Job = Schema.fromJsonString(Schema.toCodecJson(Query.QueryJob))

/** `body` holds the fields that never change. The others have columns, so that one statement changes them. */
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

const isPool = Schema.is(Id.PoolName)

const encodeJob = Schema.encodeEffect(Job)
const encodeQuery = Schema.encodeEffect(QueryRow)

const toQuery = (row: typeof QueryRow.Type): Query.Query => {
  // The columns of a running query hold the usage reported so far.
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

/**
 * Fails with `LogClosed`, or with `NotFound` when there is no such query.
 *
 * @category errors
 * @since 0.1.0
 */
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
  const { fencing, reader, run, sql } = database
  const queries = reader(QueryRow)
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
      queries(operation),
      Effect.flatMap(first(operation, id)),
      Effect.map(toQuery)
    )

  const findQueries = Effect.fn("StateStore.findQueries")((text: string) =>
    Query.isIdPrefix(text)
      ? // No character of an id comes after `z`.
        sql`
          SELECT ${columns} FROM remote_queries WHERE id >= ${text} AND id < ${`${text}~`}
          ORDER BY id DESC LIMIT ${mostFound}`.pipe(
          queries("findQueries"),
          Effect.map((rows) => rows.map(toQuery)),
          run("findQueries")
        )
      : Effect.succeed([])
  )

  const newestQuery = Effect.fn("StateStore.newestQuery")((agentId: Id.AgentId) =>
    sql`SELECT ${columns} FROM remote_queries WHERE agent_id = ${agentId} ORDER BY id DESC LIMIT 1`.pipe(
      queries("newestQuery"),
      Effect.map((rows) => Option.map(Arr.head(rows), toQuery)),
      run("newestQuery")
    )
  )

  const startQuery = Effect.fn("StateStore.startQuery")(function* (
    id: Id.QueryId,
    started: Query.QueryJob,
    fence?: Lease.Fence
  ) {
    const at = DateTime.formatIso(yield* DateTime.now)
    const job = yield* Effect.orDie(encodeJob(started))
    const { check, clause, guard } = fencing("startQuery", fence)
    return yield* sql`
      UPDATE remote_queries SET status = 'running', job = ${job}, started_at = COALESCE(started_at, ${at})
      WHERE id = ${id} AND status <> 'ended' AND ${clause} RETURNING ${columns}`.pipe(
      queries("startQuery"),
      Effect.flatMap(([row]) =>
        row === undefined
          ? Effect.andThen(check, closedOrUnknown(database, "startQuery", id))
          : Effect.succeed(toQuery(row))
      ),
      guard,
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
      queries("requestCancel"),
      Effect.flatMap(([row]) =>
        row === undefined ? get("requestCancel", id) : Effect.succeed(toQuery(row))
      ),
      run("requestCancel")
    )
  })

  const clausesOf = ({ agentId, outcome, pool, profile, since, status }: QueryFilter) => [
    ...(agentId === undefined ? [] : [sql`agent_id = ${agentId}`]),
    ...(profile === undefined
      ? []
      : [sql`agent_id IN (SELECT id FROM remote_agents WHERE profile = ${plain(profile)})`]),
    ...(pool === undefined
      ? []
      : // A text that names no pool is not sent to the database, which may not be able to hold it.
        [isPool(pool) ? sql`agent_id IN (SELECT id FROM remote_agents WHERE pool = ${pool})` : sql`1 = 0`]),
    ...(status === undefined ? [] : [sql.in("status", Arr.ensure(status))]),
    ...(outcome === undefined ? [] : [sql.in("outcome", Arr.ensure(outcome))]),
    ...(since === undefined ? [] : [sql`id >= ${leastIdAt(since)}`])
  ]

  const listQueries: SqlQueries["listQueries"] = (filter = {}, range = {}) => {
    const { limit = Number.MAX_SAFE_INTEGER, order = "oldestFirst" } = range
    const clauses = clausesOf(filter)
    const [beyond, direction] =
      order === "oldestFirst"
        ? [(id: string) => sql`id > ${id}`, sql.literal("ASC")]
        : [(id: string) => sql`id < ${id}`, sql.literal("DESC")]
    const start = { after: range.after as string | undefined, left: limit }
    return Stream.paginate(start, ({ after, left }) => {
      const size = Math.min(pageSize, left)
      const all = [...clauses, ...(after === undefined ? [] : [beyond(after)])]
      const where = all.length === 0 ? sql.literal("") : sql`WHERE ${sql.and(all)}`
      return sql`SELECT ${columns} FROM remote_queries ${where} ORDER BY id ${direction} LIMIT ${size}`.pipe(
        queries("listQueries"),
        Effect.map((rows) => {
          const found = rows.map(toQuery)
          const last = found.length < pageSize ? Option.none() : Arr.last(found)
          const next = Option.map(last, ({ id }) => ({ after: id, left: left - found.length }))
          return [found, next] as const
        }),
        run("listQueries")
      )
    })
  }

  return {
    createQuery,
    getQuery: Effect.fn("StateStore.getQuery")((id) => run("getQuery")(get("getQuery", id))),
    findQueries,
    newestQuery,
    listQueries,
    startQuery,
    requestCancel
  }
}
