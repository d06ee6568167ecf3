import { Agent, AgentEvent, type Id, Lifecycle, Query, StateStoreError } from "@remote-agent/domain"
import { Array as Arr, DateTime, Effect, Layer, Option, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as Migrations from "./Migrations.ts"
import { fromSql } from "./SqlFailure.ts"
import * as SqliteClient from "./SqliteClient.ts"
import * as StateFile from "./StateFile.ts"
import { StateStore } from "./StateStore.ts"

/** How many rows are in memory while many are read. */
const pageSize = 200

/** How many rows one statement inserts: SQLite and Postgres limit its parameters, of which a row has four. */
const insertSize = 1000

const AgentText = Schema.fromJsonString(Schema.toCodecJson(Agent.Agent))
const EventText = Schema.fromJsonString(Schema.toCodecJson(AgentEvent.AgentEvent))

const AgentRow = Schema.Struct({ body: AgentText })

const EventRow = Schema.Struct({ seq: Schema.Int, at: Schema.DateTimeUtcFromString, body: EventText })

/** What never changes of a query is in `body`; what an append changes has columns, so that one statement does it. */
const QueryRow = Schema.Struct({
  status: Query.QueryStatus,
  outcome: Schema.NullOr(AgentEvent.Outcome),
  ended_at: Schema.NullOr(Schema.DateTimeUtcFromString),
  body: Schema.fromJsonString(Schema.toCodecJson(Query.Query))
})

const decodeAgents = Schema.decodeUnknownEffect(Schema.Array(AgentRow))
const decodeEvents = Schema.decodeUnknownEffect(Schema.Array(EventRow))
const decodeQueries = Schema.decodeUnknownEffect(Schema.Array(QueryRow))
const encodeAgent = (agent: Agent.Agent) => Effect.orDie(Schema.encodeEffect(AgentText)(agent))
const encodeEvent = (event: AgentEvent.AgentEvent) => Effect.orDie(Schema.encodeEffect(EventText)(event))
const encodeQuery = Schema.encodeEffect(QueryRow)

/** Every status from which the lifecycle leads to `status`. */
const leadingTo = (status: Lifecycle.AgentStatus) =>
  Lifecycle.AgentStatus.literals.filter((from) => Lifecycle.canMove(from, status))

const failed = (operation: string, reason: StateStoreError.Reason) =>
  Effect.fail(new StateStoreError.StateStoreError({ operation, reason }))

const first =
  (operation: string, id: string) =>
  <A>(rows: ReadonlyArray<A>) =>
    rows[0] === undefined ? failed(operation, new StateStoreError.NotFound({ id })) : Effect.succeed(rows[0])

const added = (operation: string, id: string) => (rows: ReadonlyArray<unknown>) =>
  rows.length === 0 ? failed(operation, new StateStoreError.AlreadyExists({ id })) : Effect.void

/** A number of 64 bits, which some databases give as text. */
type Big = number | string

/**
 * A store in the database of the current `SqlClient`, whose schema it brings up to date. `name` is what messages
 * call it. Every method is one statement or one transaction.
 *
 * Beside the failures of `StateStore`, every method fails with `Unavailable` when the database cannot do its part
 * and with `Damaged` when it holds what cannot be read.
 */
export const make: (
  name: string
) => Effect.Effect<StateStore["Service"], StateStoreError.StateStoreError, SqlClient.SqlClient> = Effect.fn(
  "SqlStateStore.make"
)(function* (name: string) {
  const sql = yield* SqlClient.SqlClient
  yield* fromSql(name, "open")(Migrations.migrate(name))

  const decoded =
    <A, B>(operation: string, decode: (rows: A) => Effect.Effect<B, Schema.SchemaError>) =>
    (rows: A) =>
      Effect.catch(decode(rows), () => failed(operation, new StateStoreError.Damaged({ store: name })))

  const createAgent = Effect.fn("StateStore.createAgent")(function* (agent: Agent.Agent) {
    const { id, revision, status } = agent
    const row = { id, revision, status, body: yield* encodeAgent(agent) }
    yield* sql`INSERT INTO remote_agents ${sql.insert(row)} ON CONFLICT (id) DO NOTHING RETURNING id`.pipe(
      Effect.flatMap(added("createAgent", id)),
      fromSql(name, "createAgent")
    )
  })

  const getAgent = Effect.fn("StateStore.getAgent")((id: Id.AgentId) =>
    sql`SELECT body FROM remote_agents WHERE id = ${id}`.pipe(
      Effect.flatMap(decoded("getAgent", decodeAgents)),
      Effect.flatMap(first("getAgent", id)),
      Effect.map(({ body }) => body),
      fromSql(name, "getAgent")
    )
  )

  const whyNotUpdated = Effect.fnUntraced(function* ({ id, revision, status }: Agent.Agent) {
    const rows = yield* sql<{
      revision: Big
      body: string
    }>`SELECT revision, body FROM remote_agents WHERE id = ${id}`
    const current = yield* first("updateAgent", id)(rows)
    const actual = Number(current.revision)
    if (actual !== revision) {
      return yield* failed(
        "updateAgent",
        new StateStoreError.RevisionConflict({ id, expected: revision, actual })
      )
    }
    const agents = yield* decoded("updateAgent", decodeAgents)(rows)
    const { body } = yield* first("updateAgent", id)(agents)
    return yield* failed(
      "updateAgent",
      new StateStoreError.IllegalMove({ id, from: body.status, to: status })
    )
  })

  const updateAgent = Effect.fn("StateStore.updateAgent")(function* (agent: Agent.Agent) {
    const { id, revision, status } = agent
    const written = new Agent.Agent({ ...agent, revision: revision + 1, updatedAt: yield* DateTime.now })
    const body = yield* encodeAgent(written)
    return yield* sql`
      UPDATE remote_agents SET revision = ${written.revision}, status = ${status}, body = ${body}
      WHERE id = ${id} AND revision = ${revision} AND ${sql.in("status", leadingTo(status))}
      RETURNING id`.pipe(
      Effect.flatMap((rows) => (rows.length === 0 ? whyNotUpdated(agent) : Effect.succeed(written))),
      fromSql(name, "updateAgent")
    )
  })

  const listAgents = Stream.paginate("", (after) =>
    sql`SELECT body FROM remote_agents WHERE id > ${after} ORDER BY id LIMIT ${pageSize}`.pipe(
      Effect.flatMap(decoded("listAgents", decodeAgents)),
      Effect.map((rows) => {
        const agents = rows.map(({ body }) => body)
        return [agents, Option.map(fullPage(agents), ({ id }): string => id)] as const
      }),
      fromSql(name, "listAgents")
    )
  )

  const createQuery = Effect.fn("StateStore.createQuery")(function* (query: Query.Query) {
    const { agentId: agent_id, endedAt: ended_at = null, id, outcome = null, status } = query
    const columns = yield* Effect.orDie(encodeQuery({ status, outcome, ended_at, body: query }))
    const row = { id, agent_id, next_seq: 0, ...columns }
    yield* sql`INSERT INTO remote_queries ${sql.insert(row)} ON CONFLICT (id) DO NOTHING RETURNING id`.pipe(
      Effect.flatMap(added("createQuery", id)),
      fromSql(name, "createQuery")
    )
  })

  const getQuery = Effect.fn("StateStore.getQuery")((id: Id.QueryId) =>
    sql`SELECT status, outcome, ended_at, body FROM remote_queries WHERE id = ${id}`.pipe(
      Effect.flatMap(decoded("getQuery", decodeQueries)),
      Effect.flatMap(first("getQuery", id)),
      Effect.map(toQuery),
      fromSql(name, "getQuery")
    )
  )

  const closedOrUnknown = Effect.fnUntraced(function* (id: Id.QueryId) {
    const rows = yield* sql`SELECT id FROM remote_queries WHERE id = ${id}`
    yield* first("appendEvents", id)(rows)
    return yield* failed("appendEvents", new StateStoreError.LogClosed({ id }))
  })

  const appendEvents = Effect.fn("StateStore.appendEvents")(function* (
    id: Id.QueryId,
    events: ReadonlyArray<AgentEvent.AgentEvent>
  ) {
    const now = yield* DateTime.now
    const at = DateTime.formatIso(now)
    const bodies = yield* Effect.forEach(events, encodeEvent)
    const result = events.find((event) => event.type === "result")
    const change =
      result === undefined
        ? { status: "running", outcome: null, ended_at: null }
        : { status: "ended", outcome: result.outcome, ended_at: at }
    return yield* Effect.gen(function* () {
      // Takes the numbers and, until the end of the transaction, the row: whoever appends next waits here.
      const taken = yield* sql<{ next_seq: Big }>`
        UPDATE remote_queries SET next_seq = next_seq + ${events.length}, ${sql.update(change)}
        WHERE id = ${id} AND status <> 'ended' RETURNING next_seq`
      if (taken[0] === undefined) return yield* closedOrUnknown(id)
      const from = Number(taken[0].next_seq) - events.length
      const rows = bodies.map((body, index) => ({ query_id: id, seq: from + index, at, body }))
      yield* Effect.forEach(
        Arr.chunksOf(rows, insertSize),
        (some) => sql`INSERT INTO remote_events ${sql.insert(some)}`,
        { discard: true }
      )
      return events.map(
        (event, index) => new AgentEvent.EventRecord({ queryId: id, seq: from + index, at: now, event })
      )
    }).pipe(sql.withTransaction, fromSql(name, "appendEvents"))
  })

  const events = (queryId: Id.QueryId, fromSeq: number) =>
    sql<{ next_seq: Big }>`SELECT next_seq FROM remote_queries WHERE id = ${queryId}`.pipe(
      Effect.flatMap(first("events", queryId)),
      fromSql(name, "events"),
      Effect.map(({ next_seq: end }) =>
        Stream.paginate(fromSeq, (seq) =>
          sql`
            SELECT seq, at, body FROM remote_events
            WHERE query_id = ${queryId} AND seq >= ${seq} AND seq < ${Number(end)}
            ORDER BY seq LIMIT ${pageSize}`.pipe(
            Effect.flatMap(decoded("events", decodeEvents)),
            Effect.map((rows) => {
              const records = rows.map(
                ({ body: event, ...row }) => new AgentEvent.EventRecord({ queryId, ...row, event })
              )
              return [records, Option.map(fullPage(records), (last) => last.seq + 1)] as const
            }),
            fromSql(name, "events")
          )
        )
      ),
      Stream.unwrap
    )

  return StateStore.of({
    createAgent,
    getAgent,
    updateAgent,
    listAgents: () => listAgents,
    pageAgents: () => Effect.die("later"),
    findAgents: () => Effect.die("later"),
    createQuery,
    getQuery,
    listQueries: () => Stream.die("later"),
    startQuery: () => Effect.die("later"),
    requestCancel: () => Effect.die("later"),
    appendEvents,
    events,
    createPool: () => Effect.die("later"),
    getPool: () => Effect.die("later"),
    updatePool: () => Effect.die("later"),
    removePool: () => Effect.die("later"),
    listPools: Stream.die("later"),
    usage: () => Effect.die("later")
  })
})

/** The last of a page after which there may be another. */
const fullPage = <A>(page: ReadonlyArray<A>): Option.Option<A> =>
  page.length < pageSize ? Option.none() : Arr.last(page)

const toQuery = ({ body, ended_at, outcome, status }: typeof QueryRow.Type): Query.Query =>
  new Query.Query({
    ...body,
    status,
    ...(outcome === null ? {} : { outcome }),
    ...(ended_at === null ? {} : { endedAt: ended_at })
  })

/** The store in the database of a `SqlClient`. `name` is what messages call it. See {@link make}. */
export const layer = (
  name: string
): Layer.Layer<StateStore, StateStoreError.StateStoreError, SqlClient.SqlClient> =>
  Layer.effect(StateStore, make(name))

/**
 * The store in a SQLite file, which several processes may use at once. See `StateFile.openFile` for what happens to
 * a file that is new, older, newer or damaged, and `SqliteClient.make` for what outlives a crash.
 */
export const layerSqlite = (options: {
  readonly path: string
}): Layer.Layer<StateStore, StateStoreError.StateStoreError> =>
  layer(options.path).pipe(Layer.provide(Layer.effect(SqlClient.SqlClient, StateFile.openFile(options.path))))

/** The same in memory: it lives and dies with the layer. For tests of what depends on SQL. */
export const layerSqliteMemory: Layer.Layer<StateStore, StateStoreError.StateStoreError> = layer(
  "the state in memory"
).pipe(Layer.provide(Layer.orDie(SqliteClient.layer({ path: ":memory:" }))))
