import { type Agent, type Id, OrchestratorError, Pool } from "@remote-agent/domain"
import { DateTime, Effect, Stream } from "effect"
import type { PoolSpec, Reuse } from "./AgentPool.ts"
import type { Agents } from "./Agents.ts"
import type { Operations } from "./Operations.ts"
import * as Records from "./Records.ts"
import { StateStore } from "./StateStore.ts"

type Failure = OrchestratorError.OrchestratorError

/** Pools that are kept under a name. */
export interface NamedPools {
  /** Records a pool as it is wanted now, and finds the agents that it has. Fails with `PoolClosed` while it is closed. */
  readonly open: (spec: PoolSpec, name: Id.PoolName, profile: string) => Effect.Effect<Reuse, Failure>
  /** Terminates the agents of a pool and forgets it. Succeeds when there is none. */
  readonly close: (name: Id.PoolName) => Effect.Effect<void, Failure>
}

/** The pools of a store. */
export const make = Effect.fnUntraced(function* (
  agents: Agents,
  { health, resume }: Operations
): Effect.fn.Return<NamedPools, never, StateStore> {
  const store = yield* StateStore

  const again = Effect.fnUntraced(function* (name: Id.PoolName, wanted: Partial<Pool.Pool>) {
    const known = yield* store.getPool(name)
    return known.status === "open" ? yield* store.updatePool(new Pool.Pool({ ...known, ...wanted })) : known
  }, Effect.retry(Records.startOver))

  const record = Effect.fnUntraced(function* (spec: PoolSpec, name: Id.PoolName, profile: string) {
    const now = yield* DateTime.now
    const wanted = {
      size: Math.max(1, Math.trunc(spec.size)),
      persistent: spec.persistent ?? true,
      ...(spec.maxSize === undefined ? {} : { maxSize: spec.maxSize }),
      ...(spec.queueLimit === undefined ? {} : { queueLimit: spec.queueLimit }),
      ...(spec.whenFull === undefined ? {} : { whenFull: spec.whenFull }),
      ...(spec.poolBudget === undefined ? {} : { budget: spec.poolBudget })
    }
    const fresh = new Pool.Pool({
      ...wanted,
      name,
      profile,
      status: "open",
      labels: spec.labels ?? {},
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

  const open: NamedPools["open"] = Effect.fn("NamedPools.open")(function* (spec, name, profile) {
    const pool = yield* Records.stored("pool", record(spec, name, profile))
    if (pool.status !== "open") {
      return yield* Records.failure("pool", new OrchestratorError.PoolClosed({ name }))
    }
    const candidates = yield* Records.stored("pool", members(name, ["active", "paused"]))
    return { candidates, isWell }
  })

  const close: NamedPools["close"] = Effect.fn("Orchestrator.closePool")(function* (name) {
    const drain = Effect.flatMap(store.getPool(name), (pool) =>
      store.updatePool(new Pool.Pool({ ...pool, status: "draining" }))
    ).pipe(
      Effect.retry(Records.startOver),
      Effect.catchReason("StateStoreError", "NotFound", () => Effect.void)
    )
    yield* Records.stored("closePool", drain)
    const all = yield* Records.stored("closePool", members(name))
    const left = all.filter(({ status }) => status !== "terminated")
    yield* Effect.forEach(left, ({ id }) => agents.terminate(id), { concurrency: 5, discard: true })
    yield* Records.stored("closePool", store.removePool(name))
  })

  return { open, close }
})
