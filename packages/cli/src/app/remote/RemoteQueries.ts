import { type AgentEvent, type Id, OrchestratorError, type Query } from "@remote-agent/domain"
import { type Queries, QueryHandle } from "@remote-agent/orchestrator"
import { Duration, Effect, Option, Stream, Struct } from "effect"
import { type Connection, once, present, revealed } from "./Connection.ts"
import { isLost, type Raw } from "./failures.ts"

type Failure = OrchestratorError.OrchestratorError
type Log = Stream.Stream<AgentEvent.EventRecord, Failure>

/** How often in a row a stream is opened again that gave no event: long enough for a server to be restarted. */
const attempts = 40

const pauseBefore = (attempt: number) => Duration.millis(Math.min(3000, 50 * 2 ** attempt))

/** The queries at a server, as pools and handles use them. */
export interface RemoteQueries {
  readonly stream: (agentId: Id.AgentId, text: string, options?: Queries.QueryOptions) => Log
  readonly query: (
    agentId: Id.AgentId,
    text: string,
    options?: Queries.QueryOptions,
    onEvent?: (record: AgentEvent.EventRecord) => Effect.Effect<void>
  ) => Effect.Effect<Query.QueryResult, Failure>
  readonly start: (
    agentId: Id.AgentId,
    text: string,
    options?: Queries.QueryOptions
  ) => Effect.Effect<Query.Query, Failure>
  readonly events: (id: Id.QueryId, fromSeq?: number) => Log
  readonly cancel: (id: Id.QueryId, by?: string) => Effect.Effect<Query.Query, Failure>
}

/** A query as a request has it. */
const payloadOf = (text: string, { replace, timeout, ...options }: Queries.QueryOptions) => ({
  text,
  ...present(Struct.omit(options, ["id"])),
  ...(timeout === undefined ? {} : { timeout: Duration.fromInputUnsafe(timeout) }),
  ...(replace === undefined
    ? {}
    : { replace: typeof replace === "boolean" ? replace : { env: revealed(replace.env) ?? {} } })
})

/** The queries at a server. */
export const make = ({ client, failures }: Connection): RemoteQueries => {
  const read = (id: Id.QueryId) =>
    Effect.map(client.queries.get({ params: { id }, query: {} }), ({ query }) => query)

  const events: RemoteQueries["events"] = (id, fromSeq = 0) =>
    Stream.suspend(() => {
      let [next, ended, failed] = [fromSeq, false, 0]

      const attempt = Stream.unwrap(
        client.queries.events({
          params: { id },
          query: {},
          headers: next > 0 ? { "last-event-id": String(next - 1) } : {}
        })
      ).pipe(
        Stream.map(({ data }) => data),
        Stream.tap((record) =>
          Effect.sync(() => {
            next = record.seq + 1
            failed = 0
            ended = record.event.type === "result"
          })
        )
      )

      /** A stream that was cut, or that a stopping server ended, goes on behind its last event. */
      const recovered = (error: Raw): Effect.Effect<void, Failure> =>
        isLost(error) ||
        error._tag === "SchemaError" ||
        error._tag === "SseError" ||
        error._tag === "Unavailable"
          ? failed >= attempts
            ? Effect.fail(failures.orchestrator("events")(error))
            : Effect.void
          : Effect.fail(failures.orchestrator("events")(error))

      /** A stream without an event was opened behind the last one, or its server was stopped. */
      const paused = Effect.gen(function* () {
        if (failed === 0) return
        const found = yield* Effect.option(read(id))
        if (Option.isSome(found) && found.value.status === "ended") {
          const rest = yield* Effect.option(
            client.queries.log({ params: { id }, query: { from: next, limit: 1 } })
          )
          ended = Option.isSome(rest) && rest.value.length === 0
        }
        if (!ended) yield* Effect.sleep(pauseBefore(failed))
      })

      const rest: Log = Stream.suspend(() => {
        failed += 1
        return attempt.pipe(
          Stream.catch((error) => Stream.drain(Stream.fromEffect(recovered(error)))),
          Stream.concat(
            Stream.unwrap(Effect.map(ended ? Effect.void : paused, () => (ended ? Stream.empty : rest)))
          )
        )
      })
      return rest
    })

  const start: RemoteQueries["start"] = Effect.fn("RemoteQueries.start")((agentId, text, options = {}) =>
    Effect.mapBoth(
      once((headers) =>
        client.queries.start({
          params: { agentId },
          query: {},
          headers,
          payload: payloadOf(text, options)
        })
      ),
      { onSuccess: ({ query }) => query, onFailure: failures.orchestrator("start") }
    )
  )

  const cancel: RemoteQueries["cancel"] = Effect.fn("RemoteQueries.cancel")((id, by) =>
    Effect.mapError(
      client.queries.cancel({ params: { id }, payload: present({ by }) }),
      failures.orchestrator("cancel")
    )
  )

  /** Leaving the stream before its end cancels the query. */
  const stream: RemoteQueries["stream"] = (agentId, text, options) =>
    Stream.suspend(() => {
      let ended = false
      return Stream.scoped(
        Stream.unwrap(
          Effect.map(
            Effect.acquireRelease(
              start(agentId, text, options),
              ({ id }) =>
                Effect.suspend(() => (ended ? Effect.void : cancel(id))).pipe(
                  Effect.catch((error) => Effect.logError("A query could not be cancelled", error))
                ),
              { interruptible: true }
            ),
            ({ id }) =>
              Stream.tap(events(id), ({ event }) =>
                Effect.sync(() => {
                  ended = event.type === "result"
                })
              )
          )
        )
      )
    })

  return {
    stream,
    query: Effect.fn("RemoteQueries.query")(function* (
      agentId,
      text,
      options = {},
      onEvent = () => Effect.void
    ) {
      const last = Option.getOrThrow(
        yield* Stream.runLast(Stream.tap(stream(agentId, text, options), onEvent))
      )
      return yield* QueryHandle.resultOf("query", { agentId, id: last.queryId, text }, Option.some(last))
    }),
    start,
    events,
    cancel
  }
}
