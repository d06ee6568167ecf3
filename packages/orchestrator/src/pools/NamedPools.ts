import { type Agent, RemoteAgentConfig, type Id, OrchestratorError, PoolRecord } from "@remote-agent/domain"
import { DateTime, Effect, Stream } from "effect"
import type { PoolSpec, Reuse } from "./AgentPool.ts"
import type { Agents } from "../agents/Agents.ts"
import type { AgentLifecycle } from "../agents/AgentLifecycle.ts"
import { Profiles } from "../profiles/Profiles.ts"
import * as AgentStore from "../state/AgentStore.ts"
import { StateStore } from "../state/StateStore.ts"

type Failure = OrchestratorError.OrchestratorError

/** A pool that was opened. */
interface Opened {
  /** What it is to be: as it is recorded, and as it was asked for where the record says nothing. */
  readonly spec: PoolSpec
  readonly reuse: Reuse
}

/** Pools that are kept under a name. */
export interface NamedPools {
  /**
   * Records a pool as it is wanted now, and finds the agents that it has. What is not said is as it was recorded. Fails
   * with `PoolClosed` while it is closed, and with `OtherProfile` when it has agents of another profile.
   */
  readonly open: (spec: PoolSpec, name: Id.PoolName) => Effect.Effect<Opened, Failure>
  /** Terminates the agents of a pool and forgets it. Succeeds when there is none. */
  readonly close: (name: Id.PoolName) => Effect.Effect<void, Failure>
}

/** The pools of a store. */
export const make = Effect.fnUntraced(function* (
  agents: Agents,
  { health, resume }: AgentLifecycle
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

  const record = Effect.fnUntraced(function* (spec: PoolSpec, name: Id.PoolName) {
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

  const open: NamedPools["open"] = Effect.fn("NamedPools.open")(function* (spec, name) {
    // A pool of a profile that does not exist could never be opened.
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

  return { open, close }
})
