import {
  Agent,
  AgentEvent,
  type Id,
  type Lease,
  Query,
  StateStoreError,
  TokenUsage
} from "@remote-agent/domain"
import { Array as Arr, type DateTime, Effect, Option, Result, Stream } from "effect"
import { leastIdAt, mostFound, type QueryFilter, type StateStore } from "../StateStore.ts"
import { inOrder, insert, known, step, type Tables } from "./MemoryTables.ts"

/**
 * The methods of the store that read and write queries and their logs.
 *
 * @category models
 * @since 0.1.0
 */
export type MemoryQueries = Pick<
  StateStore["Service"],
  | "createQuery"
  | "getQuery"
  | "findQueries"
  | "newestQuery"
  | "listQueries"
  | "startQuery"
  | "requestCancel"
  | "appendEvents"
  | "events"
>

const includes = <A>(wanted: A | ReadonlyArray<A> | undefined, value: A | undefined): boolean =>
  wanted === undefined || (value !== undefined && Arr.ensure(wanted).includes(value))

const matches =
  ({ agentId, outcome, pool, profile, since, status }: QueryFilter, agents: Tables["agents"]) =>
  (query: Query.Query): boolean =>
    (agentId === undefined || query.agentId === agentId) &&
    (profile === undefined || agents.get(query.agentId)?.profile === profile) &&
    (pool === undefined || agents.get(query.agentId)?.pool === pool) &&
    includes(status, query.status) &&
    includes(outcome, query.outcome) &&
    (since === undefined || query.id >= leastIdAt(since))

/** Applies events to the record of their query. */
const applied = (
  query: Query.Query,
  events: ReadonlyArray<AgentEvent.AgentEvent>,
  at: DateTime.Utc
): Query.Query => {
  const result = events.find((event) => event.type === "result")
  const begun = { ...query, startedAt: query.startedAt ?? at }
  if (result === undefined) return new Query.Query({ ...begun, status: "running" })
  const { error, outcome, usage } = result
  return new Query.Query({
    ...begun,
    status: "ended",
    outcome,
    usage,
    endedAt: at,
    ...(error === undefined ? {} : { error })
  })
}

/** The queries of a store in memory. See `MemoryStateStore.make`. */
export const make = ({ agents, checkFence, logs, queries }: Tables): MemoryQueries => {
  const open = (id: Id.QueryId): Result.Result<Query.Query, StateStoreError.Reason> =>
    Result.flatMap(known(queries, id), (query) =>
      query.status === "ended" ? Result.fail(new StateStoreError.LogClosed({ id })) : Result.succeed(query)
    )

  const startQuery = Effect.fn("StateStore.startQuery")(
    (id: Id.QueryId, job: Query.QueryJob, fence?: Lease.Fence) =>
      step("startQuery", (at) =>
        Result.gen(function* () {
          yield* checkFence(fence)
          const query = yield* open(id)
          const written = new Query.Query({ ...applied(query, [], at), job })
          queries.set(id, written)
          return written
        })
      )
  )

  const requestCancel = Effect.fn("StateStore.requestCancel")((id: Id.QueryId, by?: string) =>
    step("requestCancel", (cancelRequestedAt) =>
      Result.map(known(queries, id), (query) => {
        if (query.status === "ended" || query.cancelRequestedAt !== undefined) return query
        const requester = by === undefined ? {} : { cancelRequestedBy: by }
        const written = new Query.Query({ ...query, cancelRequestedAt, ...requester })
        queries.set(id, written)
        return written
      })
    )
  )

  const appendEvents = Effect.fn("StateStore.appendEvents")(
    (id: Id.QueryId, events: ReadonlyArray<AgentEvent.AgentEvent>, fence?: Lease.Fence) =>
      step("appendEvents", (at) =>
        Result.gen(function* () {
          yield* checkFence(fence)
          const query = yield* open(id)
          const log = logs.get(id) ?? []
          const records = events.map(
            (event, index) => new AgentEvent.EventRecord({ queryId: id, seq: log.length + index, at, event })
          )
          for (const record of records) log.push(record)
          logs.set(id, log)
          const written = applied(query, events, at)
          queries.set(id, written)
          const agent = agents.get(written.agentId)
          if (agent !== undefined && written.usage !== undefined) {
            const usage = TokenUsage.add(agent.usage, written.usage)
            agents.set(agent.id, new Agent.Agent({ ...agent, usage }))
          }
          return records
        })
      )
  )

  const listQueries: MemoryQueries["listQueries"] = (filter = {}, range = {}) =>
    Stream.suspend(() => {
      const { after, limit, order = "oldestFirst" } = range
      const all = inOrder(queries).filter(matches(filter, agents))
      const ordered = order === "oldestFirst" ? all : all.toReversed()
      const rest = ordered.filter(
        ({ id }) => after === undefined || (order === "oldestFirst" ? id > after : id < after)
      )
      return Stream.fromIterable(rest.slice(0, limit))
    })

  return {
    createQuery: Effect.fn("StateStore.createQuery")((query) =>
      step("createQuery", () => insert(queries, query.id, query))
    ),
    getQuery: Effect.fn("StateStore.getQuery")((id) => step("getQuery", () => known(queries, id))),
    findQueries: Effect.fn("StateStore.findQueries")((text) =>
      Effect.sync(() =>
        Query.isIdPrefix(text)
          ? inOrder(queries)
              .filter(({ id }) => id.startsWith(text))
              .toReversed()
              .slice(0, mostFound)
          : []
      )
    ),
    newestQuery: Effect.fn("StateStore.newestQuery")((agentId) =>
      Effect.sync(() =>
        Option.fromUndefinedOr(inOrder(queries).findLast((query) => query.agentId === agentId))
      )
    ),
    listQueries,
    startQuery,
    requestCancel,
    appendEvents,
    events: (id, fromSeq) =>
      Stream.unwrap(
        Effect.map(
          step("events", () => known(queries, id)),
          () => Stream.fromIterable((logs.get(id) ?? []).slice(fromSeq))
        )
      )
  }
}
