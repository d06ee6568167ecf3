import {
  Agent,
  AgentEvent,
  type Id,
  type Lease,
  AgentLifecycle,
  PoolRecord,
  Query,
  StateStoreError,
  TokenUsage
} from "@remote-agent/domain"
import { Array as Arr, Context, DateTime, Effect, Layer, Result, Stream } from "effect"
import * as Leases from "../Leases.ts"
import { type AgentFilter, type StateRecord, StateStore, type UsageSummary } from "../StateStore.ts"

const known = <K extends string, V>(
  all: ReadonlyMap<K, V>,
  id: K
): Result.Result<V, StateStoreError.NotFound> =>
  Result.fromNullishOr(all.get(id), () => new StateStoreError.NotFound({ id }))

const insert = <K extends string, V>(
  all: Map<K, V>,
  id: K,
  value: V
): Result.Result<void, StateStoreError.AlreadyExists> => {
  if (all.has(id)) return Result.fail(new StateStoreError.AlreadyExists({ id }))
  all.set(id, value)
  return Result.void
}

const unchanged = (
  id: string,
  expected: number,
  actual: number
): Result.Result<void, StateStoreError.RevisionConflict> =>
  expected === actual
    ? Result.void
    : Result.fail(new StateStoreError.RevisionConflict({ id, expected, actual }))

const inOrder = <K extends string, V>(all: ReadonlyMap<K, V>): ReadonlyArray<V> =>
  [...all].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, value]) => value)

const among = ({ labels = {}, name, pool, profile, status }: AgentFilter) => {
  const statuses = status === undefined ? AgentLifecycle.AgentStatus.literals : Arr.ensure(status)
  return (agent: Agent.Agent): boolean =>
    statuses.includes(agent.status) &&
    (profile === undefined || agent.profile === profile) &&
    (pool === undefined || agent.pool === pool) &&
    (name === undefined || agent.name === name) &&
    Object.entries(labels).every(([key, value]) => agent.labels[key] === value)
}

/** Runs a step with nothing else in between. */
const step = <A>(
  operation: string,
  run: (at: DateTime.Utc) => Result.Result<A, StateStoreError.Reason>
): Effect.Effect<A, StateStoreError.StateStoreError> =>
  Effect.flatMap(DateTime.now, (at) =>
    Effect.suspend(() =>
      Effect.fromResult(
        Result.mapError(run(at), (reason) => new StateStoreError.StateStoreError({ operation, reason }))
      )
    )
  )

/** The query as its log makes it. */
const grown = (
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

/**
 * Agents, queries, events, pools, and the leases that fence them, in memory. Every step runs without anything else
 * in between.
 */
export const make = Effect.gen(function* () {
  const { leases, newest } = yield* Leases.makeMemory
  const agents = new Map<Id.AgentId, Agent.Agent>()
  const queries = new Map<Id.QueryId, Query.Query>()
  const logs = new Map<Id.QueryId, Array<AgentEvent.EventRecord>>()
  const pools = new Map<Id.PoolName, PoolRecord.PoolRecord>()

  const passed = (fence: Lease.Fence | undefined): Result.Result<void, StateStoreError.Fenced> => {
    if (fence === undefined) return Result.void
    const { resource, token } = fence
    const current = newest(resource)
    return current > token
      ? Result.fail(new StateStoreError.Fenced({ resource, token, current }))
      : Result.void
  }

  const open = (id: Id.QueryId): Result.Result<Query.Query, StateStoreError.Reason> =>
    Result.flatMap(known(queries, id), (query) =>
      query.status === "ended" ? Result.fail(new StateStoreError.LogClosed({ id })) : Result.succeed(query)
    )

  const updateAgent = Effect.fn("StateStore.updateAgent")((agent: Agent.Agent, fence?: Lease.Fence) =>
    step("updateAgent", (updatedAt) =>
      Result.gen(function* () {
        const { id, revision, status: to } = agent
        yield* passed(fence)
        const current = yield* known(agents, id)
        yield* unchanged(id, revision, current.revision)
        const { status: from, usage } = current
        if (!AgentLifecycle.canMove(from, to)) {
          return yield* Result.fail(new StateStoreError.IllegalMove({ id, from, to }))
        }
        const written = new Agent.Agent({ ...agent, usage, revision: revision + 1, updatedAt })
        agents.set(id, written)
        return written
      })
    )
  )

  const matching = (filter: AgentFilter = {}) => inOrder(agents).filter(among(filter))

  const findAgents = Effect.fn("StateStore.findAgents")((text: string) =>
    Effect.sync(() => {
      const all = inOrder(agents)
      const exact = all.filter(({ id }) => id === text)
      return exact.length > 0 || text === ""
        ? exact
        : all.filter(({ id, name }) => id.startsWith(text) || name === text).slice(0, 10)
    })
  )

  const startQuery = Effect.fn("StateStore.startQuery")(
    (id: Id.QueryId, job: Query.QueryJob, fence?: Lease.Fence) =>
      step("startQuery", (at) =>
        Result.gen(function* () {
          yield* passed(fence)
          const query = yield* open(id)
          const written = new Query.Query({ ...grown(query, [], at), job })
          queries.set(id, written)
          return written
        })
      )
  )

  const requestCancel = Effect.fn("StateStore.requestCancel")((id: Id.QueryId, by?: string) =>
    step("requestCancel", (cancelRequestedAt) =>
      Result.map(known(queries, id), (query) => {
        if (query.status === "ended" || query.cancelRequestedAt !== undefined) return query
        const who = by === undefined ? {} : { cancelRequestedBy: by }
        const written = new Query.Query({ ...query, cancelRequestedAt, ...who })
        queries.set(id, written)
        return written
      })
    )
  )

  const appendEvents = Effect.fn("StateStore.appendEvents")(
    (id: Id.QueryId, events: ReadonlyArray<AgentEvent.AgentEvent>, fence?: Lease.Fence) =>
      step("appendEvents", (at) =>
        Result.gen(function* () {
          yield* passed(fence)
          const query = yield* open(id)
          const log = logs.get(id) ?? []
          const records = events.map(
            (event, index) => new AgentEvent.EventRecord({ queryId: id, seq: log.length + index, at, event })
          )
          for (const record of records) log.push(record)
          logs.set(id, log)
          const written = grown(query, events, at)
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

  const updatePool = Effect.fn("StateStore.updatePool")((pool: PoolRecord.PoolRecord) =>
    step("updatePool", (updatedAt) =>
      Result.gen(function* () {
        const { name, revision } = pool
        const current = yield* known(pools, name)
        yield* unchanged(name, revision, current.revision)
        const written = new PoolRecord.PoolRecord({ ...pool, revision: revision + 1, updatedAt })
        pools.set(name, written)
        return written
      })
    )
  )

  const restore = Effect.fn("StateStore.restore")((records: Iterable<StateRecord>) =>
    Effect.sync((): ReadonlySet<string> => {
      const written = new Set<string>()
      // Asked for as a whole first: if that fails, nothing was written.
      const all = [...records]
      for (const record of all) {
        switch (record._tag) {
          case "Pool":
            if (Result.isSuccess(insert(pools, record.pool.name, record.pool))) written.add(record.pool.name)
            break
          case "Agent":
            if (Result.isSuccess(insert(agents, record.agent.id, record.agent))) written.add(record.agent.id)
            break
          case "Query": {
            const { events: log, query } = record.query
            if (Result.isFailure(insert(queries, query.id, query))) break
            written.add(query.id)
            logs.set(
              query.id,
              log.map((one, seq) => new AgentEvent.EventRecord({ ...one, queryId: query.id, seq }))
            )
          }
        }
      }
      return written
    })
  )

  const store = StateStore.of({
    restore,
    createAgent: Effect.fn("StateStore.createAgent")((agent) =>
      step("createAgent", () => insert(agents, agent.id, agent))
    ),
    getAgent: Effect.fn("StateStore.getAgent")((id) => step("getAgent", () => known(agents, id))),
    updateAgent,
    listAgents: (filter) => Stream.suspend(() => Stream.fromIterable(matching(filter))),
    pageAgents: Effect.fn("StateStore.pageAgents")(({ after = "", filter, limit }) =>
      Effect.sync(() => {
        const page = matching(filter).filter(({ id }) => id > after)
        const next = page.length > limit ? page[limit - 1]?.id : undefined
        return { agents: page.slice(0, limit), next }
      })
    ),
    findAgents,
    createQuery: Effect.fn("StateStore.createQuery")((query) =>
      step("createQuery", () => insert(queries, query.id, query))
    ),
    getQuery: Effect.fn("StateStore.getQuery")((id) => step("getQuery", () => known(queries, id))),
    listQueries: ({ agentId, status } = {}, { after = "", limit } = {}) =>
      Stream.suspend(() => {
        const all = inOrder(queries).filter(
          (query) =>
            query.id > after &&
            (agentId === undefined || query.agentId === agentId) &&
            (status === undefined || query.status === status)
        )
        return Stream.fromIterable(all.slice(0, limit))
      }),
    startQuery,
    requestCancel,
    appendEvents,
    events: (id, fromSeq) =>
      Stream.unwrap(
        Effect.map(
          step("events", () => known(queries, id)),
          () => Stream.fromIterable((logs.get(id) ?? []).slice(fromSeq))
        )
      ),
    createPool: Effect.fn("StateStore.createPool")((pool) =>
      step("createPool", () => insert(pools, pool.name, pool))
    ),
    getPool: Effect.fn("StateStore.getPool")((name) => step("getPool", () => known(pools, name))),
    updatePool,
    removePool: Effect.fn("StateStore.removePool")((name) =>
      Effect.sync(() => {
        pools.delete(name)
      })
    ),
    listPools: Stream.suspend(() => Stream.fromIterable(inOrder(pools))),
    poolUsage: Effect.fn("StateStore.poolUsage")((pool) =>
      Effect.sync(() => {
        const ended = matching({ pool }).reduce(
          (all, { usage }) => TokenUsage.add(all, usage),
          TokenUsage.zero
        )
        const running = inOrder(queries).flatMap(({ agentId, id, startedAt, status }) => {
          if (status !== "running" || startedAt === undefined || agents.get(agentId)?.pool !== pool) return []
          const told = logs.get(id)?.findLast(({ event }) => event.type === "usage")?.event
          return [{ id, startedAt, usage: told?.type === "usage" ? told.usage : TokenUsage.zero }]
        })
        return { ended, running }
      })
    ),
    usage: Effect.fn("StateStore.usage")(({ agentId, pool, since } = {}) =>
      Effect.sync(() =>
        summary(
          [...queries.values()].filter(
            (query) =>
              (agentId === undefined || query.agentId === agentId) &&
              (pool === undefined || agents.get(query.agentId)?.pool === pool) &&
              (since === undefined ||
                (query.endedAt !== undefined && DateTime.isGreaterThanOrEqualTo(query.endedAt, since)))
          )
        )
      )
    )
  })
  return { leases, store }
})

const summary = (queries: ReadonlyArray<Query.Query>): UsageSummary => {
  const outcomes: Partial<Record<AgentEvent.Outcome, number>> = {}
  let [count, usage] = [0, TokenUsage.zero]
  for (const { outcome, usage: used } of queries) {
    if (outcome === undefined) continue
    count++
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    if (used !== undefined) usage = TokenUsage.add(usage, used)
  }
  return { usage, queries: count, outcomes }
}

/** State that lives and dies with the process. */
export const layer: Layer.Layer<StateStore | Leases.Leases> = Layer.effectContext(
  Effect.map(make, ({ leases, store }) =>
    Context.make(StateStore, store).pipe(Context.add(Leases.Leases, leases))
  )
)
