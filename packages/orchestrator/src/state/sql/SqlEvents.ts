import { AgentEvent, type Id, type Lease, type StateDocument, type TokenUsage } from "@remote-agent/domain"
import { Array as Arr, DateTime, Effect, Option, Schema, Stream } from "effect"
import type { SqlError } from "effect/sql"
import { type Database, first, fullPage, pageSize, plain, Whole } from "./database/SqlDatabase.ts"
import { closedOrUnknown } from "./SqlQueries.ts"
import { usageColumns } from "./SqlUsage.ts"
import type { StateStore } from "../StateStore.ts"

/**
 * The methods of the store that read and write events.
 *
 * @category models
 * @since 0.1.0
 */
export interface SqlEvents extends Pick<StateStore["Service"], "appendEvents" | "events"> {
  /** Writes the log of a query without a log. Must run in a transaction. */
  readonly writeLog: (
    id: Id.QueryId,
    log: StateDocument.LoggedQuery["events"]
  ) => Effect.Effect<void, SqlError.SqlError>
}

/** The number of rows of one insert. SQLite and Postgres limit the parameters of a statement; a row has four. */
const insertSize = 1000

const EventText = Schema.fromJsonString(Schema.toCodecJson(AgentEvent.AgentEvent))
const EventRow = Schema.Struct({ seq: Whole, at: Schema.DateTimeUtcFromString, body: EventText })

const EndRow = Schema.Struct({ next_seq: Whole })
const TakenRow = Schema.Struct({ next_seq: Whole, agent_id: Schema.String })

const encodeEvent = (event: AgentEvent.AgentEvent) => Effect.orDie(Schema.encodeEffect(EventText)(event))

/** The changes of a query by its events. */
const changeOf = (events: ReadonlyArray<AgentEvent.AgentEvent>, at: string) => {
  const result = events.find((event) => event.type === "result")
  const told = events.findLast((event) => event.type === "usage")
  return result === undefined
    ? { status: "running", ...(told === undefined ? {} : usageColumns(told.usage)) }
    : {
        status: "ended",
        outcome: result.outcome,
        error: result.error === undefined ? null : plain(result.error),
        ended_at: at,
        ...usageColumns(result.usage)
      }
}

/** The events of a database. See `SqlStateStore.make`. */
export const make = (database: Database): SqlEvents => {
  const { atOnce, fencing, lesser, reader, run, sql } = database
  const [records, ends, takes] = [reader(EventRow), reader(EndRow), reader(TakenRow)]

  /** Adds to the usage of an agent, if the store has the agent. */
  const count = (
    agentId: string,
    { costUsd, inputTokens, outputTokens, wallMillis }: TokenUsage.TokenUsage
  ) => {
    const most = Number.MAX_SAFE_INTEGER
    const grown = (column: string, by: number) => {
      const name = sql.literal(column)
      return sql`${name} = ${lesser}(${most}, COALESCE(${name}, 0) + ${by})`
    }
    const changes = [
      grown("input_tokens", inputTokens),
      grown("output_tokens", outputTokens),
      grown("wall_millis", wallMillis),
      ...(costUsd === undefined ? [] : [grown("cost_usd", costUsd)])
    ]
    return sql`UPDATE remote_agents SET ${sql.csv(changes)} WHERE id = ${agentId}`
  }

  const insert = (rows: ReadonlyArray<{ query_id: string; seq: number; at: string; body: string }>) =>
    Effect.forEach(
      Arr.chunksOf(rows, insertSize),
      (some) => sql`INSERT INTO remote_events ${sql.insert(some)}`,
      { discard: true }
    )

  const writeLog: SqlEvents["writeLog"] = Effect.fnUntraced(function* (id, log) {
    const rows = yield* Effect.forEach(log, ({ at, event }, seq) =>
      Effect.map(encodeEvent(event), (body) => ({ query_id: id, seq, at: DateTime.formatIso(at), body }))
    )
    yield* insert(rows)
    yield* sql`UPDATE remote_queries SET next_seq = ${rows.length} WHERE id = ${id}`
  })

  const appendEvents = Effect.fn("StateStore.appendEvents")(function* (
    id: Id.QueryId,
    events: ReadonlyArray<AgentEvent.AgentEvent>,
    fence?: Lease.Fence
  ) {
    const now = yield* DateTime.now
    const at = DateTime.formatIso(now)
    const bodies = yield* Effect.forEach(events, encodeEvent)
    const result = events.find((event) => event.type === "result")
    const { before, check, clause } = fencing("appendEvents", fence)
    return yield* Effect.gen(function* () {
      yield* before
      // Reserves the numbers and locks the row until the end of the transaction: the next append waits here.
      const [taken] = yield* sql`
        UPDATE remote_queries SET next_seq = next_seq + ${events.length},
        started_at = COALESCE(started_at, ${at}), ${sql.update(changeOf(events, at))}
        WHERE id = ${id} AND status <> 'ended' AND ${clause} RETURNING next_seq, agent_id`.pipe(
        takes("appendEvents")
      )
      if (taken === undefined) {
        return yield* Effect.andThen(check, closedOrUnknown(database, "appendEvents", id))
      }
      const from = taken.next_seq - events.length
      const rows = bodies.map((body, index) => ({ query_id: id, seq: from + index, at, body }))
      yield* insert(rows)
      if (result !== undefined) yield* count(taken.agent_id, result.usage)
      return events.map(
        (event, index) => new AgentEvent.EventRecord({ queryId: id, seq: from + index, at: now, event })
      )
    }).pipe(atOnce, run("appendEvents"))
  })

  const events = (queryId: Id.QueryId, fromSeq: number) =>
    sql`SELECT next_seq FROM remote_queries WHERE id = ${queryId}`.pipe(
      ends("events"),
      Effect.flatMap(first("events", queryId)),
      run("events"),
      Effect.map(({ next_seq: end }) =>
        Stream.paginate(fromSeq, (seq) =>
          sql`
            SELECT seq, at, body FROM remote_events
            WHERE query_id = ${queryId} AND seq >= ${seq} AND seq < ${end}
            ORDER BY seq LIMIT ${pageSize}`.pipe(
            records("events"),
            Effect.map((rows) => {
              const page = rows.map(
                ({ body: event, ...row }) => new AgentEvent.EventRecord({ queryId, ...row, event })
              )
              return [page, Option.map(fullPage(page), (last) => last.seq + 1)] as const
            }),
            run("events")
          )
        )
      ),
      Stream.unwrap
    )

  return { appendEvents, events, writeLog }
}
