import { type AgentEvent, type Id, OrchestratorError, Query } from "@remote-agent/domain"
import { Effect, Option, Stream } from "effect"
import { failedResult } from "../protocols/EventReader.ts"
import * as AgentStore from "../state/AgentStore.ts"
import type { EventLog } from "./QueryRun.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * A query that was started: its events, its result, and its cancellation.
 *
 * **Details**
 *
 * A handle holds no connection. Any process with the same state can make one from the id, and closing the process that
 * started the query does not end it.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryHandle {
  readonly id: Id.QueryId
  /** The query as it was when the handle was made. `queries.get` reads it again. */
  readonly record: Query.Query
  /**
   * Streams the log of the query from `fromSeq` to its result, and waits for events that are still to come.
   *
   * **Details**
   *
   * When the process that ran the query has died, this one takes the query over, without a gap or a repetition.
   * Leaving the stream does not cancel the query.
   */
  readonly events: (fromSeq?: number) => EventLog
  /** Waits for the result. Fails with `QueryFailed` when the query ends without an answer. */
  readonly result: Effect.Effect<Query.QueryResult, Failure>
  /**
   * Cancels the query and returns its record once it has ended. Succeeds when it has ended already. `by` is recorded
   * as the name of the caller.
   */
  readonly cancel: (by?: string) => Effect.Effect<Query.Query, Failure>
}

/** What a handle needs of the queries of a store. */
interface Source {
  readonly events: (id: Id.QueryId, fromSeq?: number) => EventLog
  readonly cancel: (id: Id.QueryId, by?: string) => Effect.Effect<Query.Query, Failure>
}

/**
 * The result that the last event of a log tells. Fails with `QueryFailed` unless its outcome is `ok`.
 */
export const resultOf = (
  operation: string,
  { agentId, id, text }: Pick<Query.Query, "agentId" | "id" | "text">,
  last: Option.Option<AgentEvent.EventRecord>
): Effect.Effect<Query.QueryResult, Failure> => {
  const event = Option.map(last, (record) => record.event).pipe(
    Option.filter((ended) => ended.type === "result"),
    Option.getOrElse(() => failedResult("crash", "The agent's events ended without a result.", 0))
  )
  const { type: _, ...fields } = event
  const result = new Query.QueryResult({ ...fields, agentId, query: text, queryId: id })
  return result.ok
    ? Effect.succeed(result)
    : Effect.fail(AgentStore.failure(operation, new OrchestratorError.QueryFailed({ result })))
}

/** Makes handles on queries. */
export const make =
  ({ cancel, events }: Source) =>
  (record: Query.Query): QueryHandle => ({
    id: record.id,
    record,
    events: (fromSeq) => events(record.id, fromSeq),
    result: Effect.flatMap(Stream.runLast(events(record.id)), (last) => resultOf("result", record, last)),
    cancel: (by) => cancel(record.id, by)
  })
