import { Api, ApiError, Authorization, type QueryRequests, type RequestChecks } from "@remote-agent/api"
import { Id, type Query } from "@remote-agent/domain"
import { Orchestrator, StateStore } from "@remote-agent/orchestrator"
import { Effect, type Layer, Option, Stream, Struct } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, type HttpApiGroup } from "effect/http-api"
import * as EventStream from "../events/eventStream.ts"
import { QueryFollower } from "../events/QueryFollower.ts"
import { Draining } from "../requests/Draining.ts"
import { launchSpec, secret } from "./AgentRoutes.ts"
import { Idempotency } from "./Idempotency.ts"
import { sent } from "./sent.ts"

/** A request as the orchestrator takes it. */
const queryOptions = ({ replace, ...request }: QueryRequests.QueryRequest) => ({
  ...Struct.omit(request, ["text"]),
  ...(replace === undefined
    ? {}
    : { replace: typeof replace === "boolean" ? replace : { env: secret(replace.env) } })
})

const noSuchEvent = new ApiError.Invalid({
  error: {
    reason: "InvalidEventId",
    message: "Last-Event-ID must be the id of an event of this query, which is a number.",
    retryable: false
  }
})

/** A page of a stream of which one more than the limit was asked for. */
const pageOf = (queries: ReadonlyArray<Query.Query>, limit: number) => {
  const items = queries.slice(0, limit)
  const last = items.at(-1)
  return queries.length > limit && last !== undefined ? { items, next: last.id } : { items }
}

/**
 * The handlers for queries and their events.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  HttpApiGroup.Service<"remote-agent", "queries">,
  never,
  | Authorization.Authorization
  | RequestChecks.RequestChecks
  | Draining
  | Idempotency
  | QueryFollower
  | Orchestrator.Orchestrator
  | StateStore.StateStore
> = HttpApiBuilder.group(
  Api.Api,
  "queries",
  Effect.fnUntraced(function* (handlers) {
    const { agents, queries } = yield* Orchestrator.Orchestrator
    const [draining, follower, idempotency] = [yield* Draining, yield* QueryFollower, yield* Idempotency]
    const store = yield* StateStore.StateStore

    /** The query as it is, with its result where it has ended or ends in time. A failed query is an answer, too. */
    const answer = Effect.fnUntraced(function* (
      id: Id.QueryId,
      wait: Parameters<typeof EventStream.within>[0]
    ) {
      const handle = yield* sent(queries.get(id))
      const result = handle.result.pipe(
        Effect.catchReason("OrchestratorError", "QueryFailed", ({ result: failed }) => Effect.succeed(failed))
      )
      const ended = yield* sent(
        handle.record.status === "ended"
          ? Effect.asSome(result)
          : Effect.raceFirst(EventStream.within(wait, result), Effect.as(draining.begun, Option.none()))
      )
      if (Option.isNone(ended)) return { query: handle.record }
      return { query: (yield* sent(queries.get(id))).record, result: ended.value }
    })

    return handlers
      .handleAll({
        start: ({ headers, params, payload, query }) =>
          idempotency
            .once(headers["idempotency-key"], {
              operation: "query",
              content: { agentId: params.agentId, ...payload },
              nextId: Id.nextQueryId,
              make: (id) =>
                sent(
                  Effect.flatMap(agents.get(params.agentId), ({ enqueue }) =>
                    enqueue(payload.text, { ...queryOptions(payload), id })
                  )
                ),
              look: (id) =>
                Effect.as(queries.get(id), "made" as const).pipe(
                  Effect.catchReason("OrchestratorError", "QueryNotFound", () =>
                    Effect.succeed("none" as const)
                  ),
                  sent
                )
            })
            .pipe(
              Effect.tap((id) => follower.follow(id)),
              Effect.flatMap((id) => answer(id, query.wait))
            ),
        list: ({ query: { after, limit = 100, order, ...filter } }) =>
          Effect.map(
            sent(Stream.runCollect(queries.list(filter, { after, order, limit: limit + 1 }))),
            (found) => pageOf(found, limit)
          ),
        find: ({ query }) => sent(store.findQueries(query.text)),
        get: ({ params, query }) => answer(params.id, query.wait),
        log: ({ params, query: { from = 0, limit = 1000 } }) =>
          Effect.gen(function* () {
            yield* sent(queries.get(params.id))
            return yield* sent(Stream.runCollect(Stream.take(store.events(params.id, from), limit)))
          }),
        cancel: ({ params, payload }) =>
          Effect.gen(function* () {
            const { name } = yield* Authorization.Caller
            const handle = yield* sent(queries.get(params.id))
            return yield* sent(handle.cancel(payload.by ?? name))
          }),
        ask: ({ payload: { agent = {}, query } }) =>
          sent(
            Effect.scoped(
              queries.ask(query.text, { ...launchSpec(agent), ...queryOptions(query), budget: query.budget })
            )
          )
      })
      .handleRaw("events", ({ headers, params, query }) =>
        Effect.gen(function* () {
          const from = EventStream.startOf(headers["last-event-id"], query.after)
          if (Option.isNone(from)) return yield* noSuchEvent
          const handle = yield* sent(queries.get(params.id))
          return HttpServerResponse.stream(draining.until(EventStream.bytes(handle.events(from.value))), {
            contentType: "text/event-stream",
            headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
          })
        })
      )
  })
)
