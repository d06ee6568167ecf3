import { Agent, AgentEvent, type Id, Lifecycle, Query, StateStoreError } from "@remote-agent/domain"
import { Context, DateTime, Effect, Layer, Stream } from "effect"

/**
 * What is known of agents, queries and events. Every change is one step: it happens whole or not at all.
 *
 * Failures are `StateStoreError`s, `NotFound` among them wherever an id is given.
 */
export class StateStore extends Context.Service<
  StateStore,
  {
    /** Fails with `AlreadyExists` when the id is taken. */
    readonly createAgent: (agent: Agent.Agent) => Effect.Effect<void, StateStoreError.StateStoreError>
    readonly getAgent: (id: Id.AgentId) => Effect.Effect<Agent.Agent, StateStoreError.StateStoreError>
    /**
     * Writes an agent that was read and changed, and gives it back with its next revision. Fails with
     * `RevisionConflict` when somebody wrote it in between and with `IllegalMove` when its status may not change so.
     */
    readonly updateAgent: (agent: Agent.Agent) => Effect.Effect<Agent.Agent, StateStoreError.StateStoreError>
    /** Every agent, oldest first. */
    readonly listAgents: Stream.Stream<Agent.Agent, StateStoreError.StateStoreError>
    /** Fails with `AlreadyExists` when the id is taken. */
    readonly createQuery: (query: Query.Query) => Effect.Effect<void, StateStoreError.StateStoreError>
    readonly getQuery: (id: Id.QueryId) => Effect.Effect<Query.Query, StateStoreError.StateStoreError>
    /**
     * Adds events to the log of a query and gives back their records, whose `seq` goes on without a gap. A `result`
     * ends the query and its log: after that it fails with `LogClosed`.
     */
    readonly appendEvents: (
      id: Id.QueryId,
      events: ReadonlyArray<AgentEvent.AgentEvent>
    ) => Effect.Effect<ReadonlyArray<AgentEvent.EventRecord>, StateStoreError.StateStoreError>
    /** The log of a query as it stands, from a `seq` on. */
    readonly events: (
      id: Id.QueryId,
      fromSeq: number
    ) => Stream.Stream<AgentEvent.EventRecord, StateStoreError.StateStoreError>
  }
>()("@remote-agent/orchestrator/StateStore") {}

const failure = (operation: string, reason: StateStoreError.StateStoreError["reason"]) =>
  new StateStoreError.StateStoreError({ operation, reason })

const known = <K extends string, V>(operation: string, all: ReadonlyMap<K, V>, id: K) => {
  const value = all.get(id)
  return value === undefined
    ? Effect.fail(failure(operation, new StateStoreError.NotFound({ id })))
    : Effect.succeed(value)
}

const insert = <K extends string, V extends { readonly id: K }>(
  operation: string,
  all: Map<K, V>,
  value: V
) =>
  Effect.suspend(() => {
    if (all.has(value.id)) return failure(operation, new StateStoreError.AlreadyExists({ id: value.id }))
    all.set(value.id, value)
    return Effect.void
  })

/** A store that lives and dies with the process. */
export const makeMemory = Effect.sync(() => {
  const agents = new Map<Id.AgentId, Agent.Agent>()
  const queries = new Map<Id.QueryId, Query.Query>()
  const logs = new Map<Id.QueryId, Array<AgentEvent.EventRecord>>()

  const updateAgent = Effect.fn("StateStore.updateAgent")(function* (agent: Agent.Agent) {
    const updatedAt = yield* DateTime.now
    // From here to the end nothing else runs.
    return yield* Effect.suspend(() => {
      const { id, revision, status } = agent
      const current = agents.get(id)
      if (current === undefined) return failure("updateAgent", new StateStoreError.NotFound({ id }))
      if (current.revision !== revision) {
        return failure(
          "updateAgent",
          new StateStoreError.RevisionConflict({ id, expected: revision, actual: current.revision })
        )
      }
      if (!Lifecycle.canMove(current.status, status)) {
        return failure(
          "updateAgent",
          new StateStoreError.IllegalMove({ id, from: current.status, to: status })
        )
      }
      const written = new Agent.Agent({ ...agent, revision: revision + 1, updatedAt })
      agents.set(id, written)
      return Effect.succeed(written)
    })
  })

  const appendEvents = Effect.fn("StateStore.appendEvents")(function* (
    id: Id.QueryId,
    events: ReadonlyArray<AgentEvent.AgentEvent>
  ) {
    const at = yield* DateTime.now
    return yield* Effect.suspend(() => {
      const query = queries.get(id)
      if (query === undefined) return failure("appendEvents", new StateStoreError.NotFound({ id }))
      if (query.status === "ended") return failure("appendEvents", new StateStoreError.LogClosed({ id }))
      const log = logs.get(id) ?? []
      const records = events.map(
        (event, index) => new AgentEvent.EventRecord({ queryId: id, seq: log.length + index, at, event })
      )
      for (const record of records) log.push(record)
      logs.set(id, log)
      const result = events.find((event) => event.type === "result")
      queries.set(
        id,
        result === undefined
          ? new Query.Query({ ...query, status: "running" })
          : new Query.Query({ ...query, status: "ended", outcome: result.outcome, endedAt: at })
      )
      return Effect.succeed(records)
    })
  })

  return StateStore.of({
    createAgent: Effect.fn("StateStore.createAgent")((agent) => insert("createAgent", agents, agent)),
    getAgent: Effect.fn("StateStore.getAgent")((id) => Effect.suspend(() => known("getAgent", agents, id))),
    updateAgent,
    listAgents: Stream.suspend(() => Stream.fromIterable([...agents.values()].toSorted(byId))),
    createQuery: Effect.fn("StateStore.createQuery")((query) => insert("createQuery", queries, query)),
    getQuery: Effect.fn("StateStore.getQuery")((id) => Effect.suspend(() => known("getQuery", queries, id))),
    appendEvents,
    events: (id, fromSeq) =>
      Stream.unwrap(
        Effect.map(known("events", queries, id), () =>
          Stream.fromIterable((logs.get(id) ?? []).slice(fromSeq))
        )
      )
  })
})

const byId = (a: { readonly id: string }, b: { readonly id: string }) =>
  a.id < b.id ? -1 : a.id > b.id ? 1 : 0

/** A store that lives and dies with the process. */
export const layerMemory: Layer.Layer<StateStore> = Layer.effect(StateStore, makeMemory)
