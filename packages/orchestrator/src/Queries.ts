import { type AgentEvent, Id, OrchestratorError, Query, type SandboxError } from "@remote-agent/domain"
import { Clock, DateTime, Duration, Effect, Option, Semaphore, Stream } from "effect"
import { type Agents, fromStore } from "./Agents.ts"
import { AgentRuntime } from "./AgentRuntime.ts"
import { failedResult } from "./EventReader.ts"
import { StateStore } from "./StateStore.ts"

/** How a question is put. */
export interface QueryOptions {
  /** The conversation it belongs to; questions of one session see the earlier turns. */
  readonly session?: string | undefined
  /** How long the answer may take; the profile's own limit when absent. */
  readonly timeout?: Duration.Input | undefined
}

/** Puts questions to agents. */
export interface Queries {
  readonly stream: (
    agentId: Id.AgentId,
    text: string,
    options?: QueryOptions
  ) => Stream.Stream<AgentEvent.EventRecord, OrchestratorError.OrchestratorError>
  /** Runs a query to its end, telling `onEvent` of every event on the way. */
  readonly query: (
    agentId: Id.AgentId,
    text: string,
    options?: QueryOptions,
    onEvent?: (record: AgentEvent.EventRecord) => Effect.Effect<void>
  ) => Effect.Effect<Query.QueryResult, OrchestratorError.OrchestratorError>
}

/** The queries of agents: one at a time per agent, every event in the store before it is shown. */
export const make = Effect.fnUntraced(function* (
  agents: Agents
): Effect.fn.Return<Queries, never, AgentRuntime | StateStore> {
  const [runtime, store] = yield* Effect.all([AgentRuntime, StateStore])
  const turns = new Map<Id.AgentId, Semaphore.Semaphore>()

  const turnOf = (id: Id.AgentId): Semaphore.Semaphore => {
    const turn = turns.get(id) ?? Semaphore.makeUnsafe(1)
    turns.set(id, turn)
    return turn
  }

  const record = Effect.fnUntraced(function* (
    agentId: Id.AgentId,
    text: string,
    session: string | undefined
  ) {
    const id = yield* Id.nextQueryId
    yield* store.createQuery(
      new Query.Query({
        id,
        agentId,
        text,
        status: "queued",
        createdAt: yield* DateTime.now,
        ...(session === undefined ? {} : { session })
      })
    )
    return id
  })

  /** A query that nobody ended was stopped. */
  const close = Effect.fnUntraced(
    function* (id: Id.QueryId, startedAt: number) {
      if ((yield* store.getQuery(id)).status === "ended") return
      const wallMillis = (yield* Clock.currentTimeMillis) - startedAt
      yield* store.appendEvents(id, [
        failedResult("aborted", "The query was stopped before it ended.", wallMillis)
      ])
    },
    Effect.catch((error) => Effect.logError("The end of a query could not be recorded", error))
  )

  /** What is left of a stream whose sandbox failed: a result, and the failure unless the result says it all. */
  const ending = (agentId: Id.AgentId, startedAt: number) => (error: SandboxError.SandboxError) =>
    Stream.unwrap(
      Effect.map(Clock.currentTimeMillis, (now) => {
        const tooSlow = error.reason._tag === "IdleTimedOut" || error.reason._tag === "WallTimedOut"
        const result = failedResult(tooSlow ? "timeout" : "crash", error.message, now - startedAt)
        const rest = tooSlow ? Stream.empty : Stream.fromEffect(agents.blame("query", agentId)(error))
        return Stream.concat(Stream.succeed<AgentEvent.AgentEvent>(result), rest)
      })
    )

  const stream = (
    agentId: Id.AgentId,
    text: string,
    options: QueryOptions = {}
  ): Stream.Stream<AgentEvent.EventRecord, OrchestratorError.OrchestratorError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        yield* agents.placeOf("query", agentId)
        const startedAt = yield* Clock.currentTimeMillis
        const id = yield* Effect.acquireRelease(
          Effect.mapError(record(agentId, text, options.session), fromStore("query")),
          (queryId) => close(queryId, startedAt)
        )
        yield* turnOf(agentId).takeScoped(1)
        // The agent may have ended while the query waited for its turn.
        const place = yield* agents.placeOf("query", agentId)
        yield* agents.counted(agentId)
        return runtime
          .run(place, {
            id,
            text,
            session: options.session,
            wallTimeout: options.timeout === undefined ? undefined : Duration.fromInputUnsafe(options.timeout)
          })
          .pipe(
            Stream.catch(ending(agentId, startedAt)),
            Stream.chunks,
            Stream.mapEffect((events) => Effect.mapError(store.appendEvents(id, events), fromStore("query"))),
            Stream.flattenIterable
          )
      })
    ).pipe(Stream.withSpan("Orchestrator.stream", { attributes: { agentId } }))

  const query = Effect.fn("Orchestrator.query")(function* (
    agentId: Id.AgentId,
    text: string,
    options: QueryOptions = {},
    onEvent: (record: AgentEvent.EventRecord) => Effect.Effect<void> = () => Effect.void
  ) {
    const last = yield* Stream.runLast(Stream.tap(stream(agentId, text, options), onEvent))
    const ended = Option.getOrThrow(last)
    const result = toResult(agentId, text, ended.queryId, ended.event)
    return result.ok
      ? result
      : yield* new OrchestratorError.OrchestratorError({
          operation: "query",
          reason: new OrchestratorError.QueryFailed({ result })
        })
  })

  return { stream, query }
})

const toResult = (
  agentId: Id.AgentId,
  query: string,
  queryId: Id.QueryId,
  event: AgentEvent.AgentEvent
): Query.QueryResult => {
  const { type: _, ...result } =
    event.type === "result" ? event : failedResult("crash", "The agent's events ended without a result.", 0)
  return new Query.QueryResult({ ...result, agentId, query, queryId })
}
