import { type Agent, RemoteAgentConfig, type Id, OrchestratorError, PoolRecord } from "@remote-agent/domain"
import { DateTime, Effect, type Scope, Stream } from "effect"
import * as AgentPool from "./AgentPool.ts"
import type { Agents } from "../agents/Agents.ts"
import type { AgentLifecycle } from "../agents/AgentLifecycle.ts"
import type { Queries } from "../queries/Queries.ts"
import { Profiles } from "../profiles/Profiles.ts"
import * as AgentStore from "../state/AgentStore.ts"
import { StateStore } from "../state/StateStore.ts"

type Failure = OrchestratorError.OrchestratorError

/** A pool as it is recorded, with the agents it has. */
interface Recorded {
  /** The recorded spec, with the caller's where the record has nothing. */
  readonly spec: AgentPool.PoolSpec
  readonly reuse: AgentPool.Reuse
}

/** How a named pool is resized. */
export type ResizeOptions = Pick<AgentPool.PoolSpec, "env" | "launchConcurrency" | "onEvent">

/** A pool after {@link NamedPools.resize}. */
export interface Resized extends AgentPool.PoolMembers {
  /** Agents that are too many and stay, because each of them is answering a query. */
  readonly busy: ReadonlyArray<Id.AgentId>
}

/** Pools with a name, which are kept in the store. */
export interface NamedPools {
  /**
   * Records a pool and opens it with the agents it has. An absent option keeps its recorded value. Fails with
   * `PoolClosed` while the pool is being closed, and with `OtherProfile` when it has agents of another profile.
   */
  readonly open: (
    spec: AgentPool.PoolSpec,
    name: Id.PoolName
  ) => Effect.Effect<AgentPool.AgentPool, Failure, Scope.Scope>
  /**
   * Launches the agents that a pool lacks, and terminates those that are too many unless they are answering a query.
   * The new size is recorded. Fails with `PoolNotFound` when there is no such pool.
   */
  readonly resize: (
    name: Id.PoolName,
    size: number,
    options?: ResizeOptions
  ) => Effect.Effect<Resized, Failure>
  /** Terminates the agents of a pool and forgets the pool. Succeeds when there is none. */
  readonly close: (name: Id.PoolName) => Effect.Effect<void, Failure>
}

/** The pools of a store. */
export const make = Effect.fnUntraced(function* (
  agents: Agents,
  { health, resume }: AgentLifecycle,
  queries: Queries
): Effect.fn.Return<NamedPools, never, StateStore | RemoteAgentConfig.RemoteAgentConfig | Profiles> {
  const [store, config, profiles] = yield* Effect.all([
    StateStore,
    RemoteAgentConfig.RemoteAgentConfig,
    Profiles
  ])

  const again = Effect.fnUntraced(function* (
    name: Id.PoolName,
    { profile, ...wanted }: Partial<PoolRecord.PoolRecord>
  ) {
    const known = yield* store.getPool(name)
    const same = profile === undefined || profile === known.profile
    return known.status === "open" && same
      ? yield* store.updatePool(new PoolRecord.PoolRecord({ ...known, ...wanted }))
      : known
  }, Effect.retry(AgentStore.startOver))

  const record = Effect.fnUntraced(function* (spec: AgentPool.PoolSpec, name: Id.PoolName) {
    const now = yield* DateTime.now
    const wanted = {
      size: Math.max(1, Math.trunc(spec.size)),
      ...(spec.profile === undefined ? {} : { profile: spec.profile }),
      ...(spec.persistent === undefined ? {} : { persistent: spec.persistent }),
      ...(spec.labels === undefined ? {} : { labels: spec.labels }),
      ...(spec.maxSize === undefined ? {} : { maxSize: spec.maxSize }),
      ...(spec.queueLimit === undefined ? {} : { queueLimit: spec.queueLimit }),
      ...(spec.whenFull === undefined ? {} : { whenFull: spec.whenFull }),
      ...(spec.poolBudget === undefined ? {} : { budget: spec.poolBudget })
    }
    const fresh = new PoolRecord.PoolRecord({
      profile: config.REMOTE_AGENT_PROFILE,
      persistent: config.E2B_AUTO_PAUSE,
      ...wanted,
      name,
      status: "open",
      revision: 0,
      createdAt: now,
      updatedAt: now
    })
    return yield* store.createPool(fresh).pipe(
      Effect.as(fresh),
      Effect.catchReason("StateStoreError", "AlreadyExists", () => again(name, wanted))
    )
  })

  const members = (name: Id.PoolName, status?: ReadonlyArray<Agent.Agent["status"]>) =>
    Stream.runCollect(store.listAgents({ pool: name, ...(status === undefined ? {} : { status }) }))

  const isWell = (agent: Agent.Agent) =>
    Effect.andThen(agent.status === "paused" ? resume(agent.id) : Effect.void, health(agent.id)).pipe(
      Effect.map(({ healthy }) => healthy),
      Effect.catch((error) => Effect.as(Effect.logWarning("An agent of a pool cannot be used", error), false))
    )

  const recorded = Effect.fn("NamedPools.record")(function* (
    spec: AgentPool.PoolSpec,
    name: Id.PoolName
  ): Effect.fn.Return<Recorded, Failure> {
    // A pool of an unknown profile could never be opened.
    if (spec.profile !== undefined) yield* profiles.get(spec.profile)
    const pool = yield* AgentStore.stored("pool", record(spec, name))
    if (pool.status !== "open") {
      return yield* AgentStore.failure("pool", new OrchestratorError.PoolClosed({ name }))
    }
    const { labels, maxSize, persistent, profile, queueLimit, size, whenFull } = pool
    if (spec.profile !== undefined && spec.profile !== profile) {
      return yield* AgentStore.failure(
        "pool",
        new OrchestratorError.OtherProfile({ name, profile, asked: spec.profile })
      )
    }
    const candidates = yield* AgentStore.stored("pool", members(name, ["active", "paused"]))
    return {
      spec: { ...spec, labels, maxSize, persistent, profile, queueLimit, size, whenFull },
      reuse: { candidates, isWell }
    }
  })

  const open: NamedPools["open"] = Effect.fnUntraced(function* (spec, name) {
    const { reuse, spec: wanted } = yield* recorded(spec, name)
    return yield* AgentPool.make(agents, queries, wanted, reuse)
  })

  const retire = Effect.fnUntraced(function* (id: Id.AgentId) {
    const running = store.listQueries({ agentId: id, status: "running" }, { limit: 1 })
    const busy = (yield* AgentStore.stored("resize", Stream.runCount(running))) > 0
    if (!busy) yield* agents.terminate(id)
    return busy
  })

  const resize: NamedPools["resize"] = Effect.fn("Orchestrator.resizePool")(function* (
    name,
    size,
    options = {}
  ) {
    yield* store
      .getPool(name)
      .pipe(
        Effect.mapError((error) =>
          error.reason._tag === "NotFound"
            ? AgentStore.failure("resize", new OrchestratorError.PoolNotFound({ name }))
            : AgentStore.fromStore("resize")(error)
        )
      )
    const pool = yield* open({ ...options, name, size }, name)
    const settled = yield* pool.settled
    const kept = new Set(settled.agents.map(({ id }) => id))
    const all = yield* AgentStore.stored("resize", members(name, ["active", "paused"]))
    const surplus = all.filter(({ id }) => !kept.has(id))
    const busy = yield* Effect.filter(surplus, ({ id }) => retire(id), { concurrency: 5 })
    return { ...settled, busy: busy.map(({ id }) => id) }
  }, Effect.scoped)

  const close: NamedPools["close"] = Effect.fn("Orchestrator.closePool")(function* (name) {
    const drain = Effect.flatMap(store.getPool(name), (pool) =>
      store.updatePool(new PoolRecord.PoolRecord({ ...pool, status: "draining" }))
    ).pipe(
      Effect.retry(AgentStore.startOver),
      Effect.catchReason("StateStoreError", "NotFound", () => Effect.void)
    )
    yield* AgentStore.stored("closePool", drain)
    const all = yield* AgentStore.stored("closePool", members(name))
    const left = all.filter(({ status }) => status !== "terminated")
    yield* Effect.forEach(left, ({ id }) => agents.terminate(id), { concurrency: 5, discard: true })
    yield* AgentStore.stored("closePool", store.removePool(name))
  })

  return { open, resize, close }
})
