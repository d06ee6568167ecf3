import {
  Agent,
  type AgentEvent,
  Id,
  LaunchIntent,
  PoolRecord,
  Query,
  StateDocument,
  TokenUsage
} from "@remote-agent/domain"
import { LaunchIntents, Leases, StateStore } from "@remote-agent/orchestrator"
import { DateTime, Duration, Effect, Option, Stream } from "effect"

/** Something that is done with a state, and that changes it in one step. Numbers name agents and queries. */
export type Operation =
  | { readonly _tag: "CreateAgent" | "UpdateAgent"; readonly agent: number }
  | { readonly _tag: "CreateQuery"; readonly agent: number; readonly query: number }
  | {
      readonly _tag: "StartQuery" | "CancelQuery" | "EndQuery" | "StaleEnd"
      readonly query: number
      readonly agent: number
    }
  | { readonly _tag: "Append"; readonly query: number; readonly agent: number; readonly count: number }
  | { readonly _tag: "Acquire" | "Renew" | "Release"; readonly agent: number }
  | { readonly _tag: "OpenIntent" | "CloseIntent"; readonly agent: number }
  | { readonly _tag: "CreatePool" | "UpdatePool" }
  | { readonly _tag: "Restore"; readonly agent: number; readonly query: number }

/** Numbers from 0 to 1 that are the same for the same seed. */
export const random = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What is done, in an order that is the same for the same seed: every operation at least once. */
export const plan = (seed: number): ReadonlyArray<Operation> => {
  const next = random(seed)
  const operations: Array<Operation> = []
  let queries = 0
  for (const agent of [0, 1]) {
    operations.push({ _tag: "OpenIntent", agent }, { _tag: "CreateAgent", agent })
    operations.push({ _tag: "UpdateAgent", agent }, { _tag: "CloseIntent", agent })
    if (agent === 0) operations.push({ _tag: "CreatePool" })
    for (let count = 0; count < 2; count++) {
      const query = queries++
      operations.push({ _tag: "Acquire", agent }, { _tag: "CreateQuery", agent, query })
      operations.push({ _tag: "StartQuery", agent, query })
      for (let appends = Math.floor(next() * 3); appends >= 0; appends--) {
        operations.push({
          _tag: "Append",
          agent,
          query,
          count: next() < 0.1 ? 1200 : 1 + Math.floor(next() * 4)
        })
        const _tag =
          (["Renew", "UpdateAgent", "CancelQuery", "StaleEnd"] as const)[Math.floor(next() * 4)] ?? "Renew"
        operations.push(_tag === "Renew" || _tag === "UpdateAgent" ? { _tag, agent } : { _tag, agent, query })
      }
      operations.push({ _tag: "StaleEnd", agent, query }, { _tag: "EndQuery", agent, query })
      operations.push({ _tag: "Renew", agent }, { _tag: "Release", agent }, { _tag: "UpdatePool" })
    }
  }
  return [...operations, { _tag: "Restore", agent: 2, query: queries }]
}

const time = DateTime.makeUnsafe(0)
const agentId = (index: number) => Id.AgentId.make(`agt_${Id.ulid(index, [])}`)
const queryId = (index: number) => Id.QueryId.make(`qry_${Id.ulid(index, [])}`)
const attemptId = (index: number) => Id.AttemptId.make(`att_${Id.ulid(index, [])}`)
const pool = Id.PoolName.make("workers")
const resource = (agent: number) => `agent/${agent}`
const ttl = Duration.hours(10)

const agentOf = (index: number) =>
  new Agent.Agent({
    id: agentId(index),
    name: Agent.AgentName.make(`agent-${index}`),
    profile: "tiny",
    status: "active",
    labels: { number: String(index) },
    revision: 0,
    queryCount: 0,
    createdAt: time,
    updatedAt: time
  })

const queryOf = (agent: number, index: number) =>
  new Query.Query({
    id: queryId(index),
    agentId: agentId(agent),
    text: "?",
    status: "queued",
    createdAt: time
  })

const said = (text: string): AgentEvent.AgentEvent => ({ type: "text", text })

const end: AgentEvent.AgentEvent = {
  type: "result",
  outcome: "ok",
  answer: "42",
  usage: new TokenUsage.TokenUsage({ inputTokens: 3, outputTokens: 4, wallMillis: 5, costUsd: 0.5 })
}

type Services = StateStore.StateStore | Leases.Leases | LaunchIntents.LaunchIntents

/** Does an operation. What the plan expects to be refused is refused or this dies. */
export const apply = (operation: Operation): Effect.Effect<void, never, Services> =>
  Effect.gen(function* () {
    const [store, leases, intents] = [
      yield* StateStore.StateStore,
      yield* Leases.Leases,
      yield* LaunchIntents.LaunchIntents
    ]
    const fenceOf = (agent: number) => Effect.map(leases.current(resource(agent)), Option.getOrThrow)
    switch (operation._tag) {
      case "CreateAgent":
        return yield* store.createAgent(agentOf(operation.agent))
      case "UpdateAgent": {
        const agent = yield* store.getAgent(agentId(operation.agent))
        yield* store.updateAgent(
          new Agent.Agent({
            ...agent,
            status: agent.status === "active" ? "paused" : "active",
            queryCount: agent.queryCount + 1
          })
        )
        return
      }
      case "CreateQuery":
        return yield* store.createQuery(queryOf(operation.agent, operation.query))
      case "StartQuery": {
        const job = new Query.QueryJob({ id: `job-${operation.query}`, directory: "/jobs" })
        yield* store.startQuery(queryId(operation.query), job, yield* fenceOf(operation.agent))
        return
      }
      case "CancelQuery":
        yield* store.requestCancel(queryId(operation.query), "somebody")
        return
      case "Append": {
        const events = Array.from({ length: operation.count }, (_, index) => said(`${index}`))
        yield* store.appendEvents(queryId(operation.query), events, yield* fenceOf(operation.agent))
        return
      }
      case "EndQuery":
        yield* store.appendEvents(
          queryId(operation.query),
          [said("so"), end],
          yield* fenceOf(operation.agent)
        )
        return
      case "StaleEnd": {
        const { resource: name, token } = yield* fenceOf(operation.agent)
        const late = { resource: name, token: token - 1 }
        // Whether it is refused shows in what is there afterwards.
        yield* Effect.ignore(store.appendEvents(queryId(operation.query), [end], late))
        return
      }
      case "Acquire":
        yield* leases.acquire(resource(operation.agent), { holder: "me", ttl })
        return
      case "Renew": {
        const lease = yield* leases.current(resource(operation.agent))
        if (Option.isSome(lease)) yield* leases.renew(lease.value, ttl)
        return
      }
      case "Release":
        return yield* leases.release(yield* fenceOf(operation.agent))
      case "OpenIntent":
        return yield* intents.open(
          new LaunchIntent.LaunchIntent({
            attemptId: attemptId(operation.agent),
            agentId: agentId(operation.agent),
            owner: "me",
            provider: "memory",
            at: time
          })
        )
      case "CloseIntent":
        return yield* intents.close(attemptId(operation.agent))
      case "CreatePool":
        return yield* store.createPool(
          new PoolRecord.PoolRecord({
            name: pool,
            profile: "tiny",
            status: "open",
            size: 2,
            persistent: false,
            revision: 0,
            createdAt: time,
            updatedAt: time
          })
        )
      case "UpdatePool": {
        const current = yield* store.getPool(pool)
        yield* store.updatePool(new PoolRecord.PoolRecord({ ...current, size: current.size + 1 }))
        return
      }
      case "Restore": {
        const events = [said("a"), said("b"), end].map((event) => ({ at: time, event }))
        const query = new Query.Query({
          ...queryOf(operation.agent, operation.query),
          status: "ended",
          outcome: "ok",
          endedAt: time
        })
        yield* store.restore([
          { _tag: "Agent", agent: agentOf(operation.agent) },
          { _tag: "Query", query: new StateDocument.LoggedQuery({ query, events }) },
          { _tag: "Agent", agent: agentOf(operation.agent + 1) }
        ])
      }
    }
  }).pipe(Effect.orDie)

/** All that is there, but for the times, as text: two that are the same are the same state. */
export const snapshot: Effect.Effect<string, never, Services> = Effect.gen(function* () {
  const [store, leases, intents] = [
    yield* StateStore.StateStore,
    yield* Leases.Leases,
    yield* LaunchIntents.LaunchIntents
  ]
  const agents = yield* Stream.runCollect(store.listAgents())
  const queries = yield* Stream.runCollect(store.listQueries())
  const logs = yield* Effect.forEach(queries, ({ id }) => Stream.runCollect(store.events(id, 0)))
  const held = yield* Effect.forEach([0, 1], (agent) => leases.current(resource(agent)))
  return JSON.stringify({
    agents: agents.map(({ id, queryCount, revision, status, usage }) => [
      id,
      status,
      revision,
      queryCount,
      usage
    ]),
    queries: queries.map(({ cancelRequestedAt, id, job, outcome, startedAt, status, usage }) => [
      id,
      status,
      outcome,
      job?.id,
      cancelRequestedAt !== undefined,
      startedAt !== undefined,
      usage
    ]),
    logs: logs.map((log) =>
      log.map(({ event, seq }) => [seq, event.type === "text" ? event.text : event.type])
    ),
    leases: held.map(Option.map(({ holder, token }) => [holder, token])),
    intents: (yield* Stream.runCollect(intents.list)).map(({ attemptId: id }) => id),
    pools: (yield* Stream.runCollect(store.listPools)).map(({ name, revision, size }) => [
      name,
      revision,
      size
    ])
  })
}).pipe(Effect.orDie)

/** The snapshots before the first operation of a plan and after each of them, as a store without failures has them. */
export const expected = (
  operations: ReadonlyArray<Operation>
): Effect.Effect<ReadonlyArray<string>, never, Services> =>
  Effect.gen(function* () {
    const snapshots = [yield* snapshot]
    for (const operation of operations) {
      yield* apply(operation)
      snapshots.push(yield* snapshot)
    }
    return snapshots
  })
