import { Id, Lease, OrchestratorError, type StateStoreError } from "@remote-agent/domain"
import {
  Context,
  DateTime,
  Deferred,
  Duration,
  Effect,
  type Option,
  RcMap,
  Schedule,
  type Scope,
  Semaphore
} from "effect"
import { Leases } from "../state/Leases.ts"
import { failure, fromStore, resourceOf } from "../state/AgentStore.ts"

/**
 * The leases behind locks.
 *
 * @category models
 * @since 0.1.0
 */
export interface LeasePolicy {
  /** How long a lock outlives a process that stopped renewing it. */
  readonly ttl: Duration.Duration
  /** How often a process renews its locks, and checks whether its queries are to be cancelled. */
  readonly beat: Duration.Duration
}

/**
 * The policy in use: 15 seconds, renewed every 3, unless another one is provided.
 *
 * @category references
 * @since 0.1.0
 */
export const Policy: Context.Reference<LeasePolicy> = Context.Reference(
  "@remote-agent/orchestrator/AgentLocks/Policy",
  {
    defaultValue: () => ({ ttl: Duration.seconds(15), beat: Duration.seconds(3) })
  }
)

/**
 * The lock of an agent, while it is held.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentLock {
  /** The fence of every write. */
  readonly lease: Lease.Lease
  /** Fails with `TakenOver` when the lock is lost. Never succeeds. */
  readonly lost: Effect.Effect<never, OrchestratorError.OrchestratorError>
  readonly isLost: Effect.Effect<boolean>
}

/**
 * What to do about a query that runs: fail with `QueryRunning`, wait for it and those before it, or cancel it.
 *
 * @category models
 * @since 0.1.0
 */
export type WhenRunning = "refuse" | "wait" | "cancel"

/**
 * Acquires the lock of an agent and ends the queries that a dead process left. No query runs while it is held.
 *
 * @category models
 * @since 0.1.0
 */
export type AcquireIdle = (
  operation: string,
  id: Id.AgentId,
  whenRunning: WhenRunning
) => Effect.Effect<AgentLock, OrchestratorError.OrchestratorError, Scope.Scope>

/** The locks of agents. Within a process they are granted in the order of the requests, across processes one at a time. */
export interface AgentLocks {
  /** Waits for the lock, and releases it when the scope closes. */
  readonly acquire: (
    operation: string,
    id: Id.AgentId
  ) => Effect.Effect<AgentLock, OrchestratorError.OrchestratorError, Scope.Scope>
  /** The lease of the process that holds the lock now, here or elsewhere. */
  readonly holder: (
    operation: string,
    id: Id.AgentId
  ) => Effect.Effect<Option.Option<Lease.Lease>, OrchestratorError.OrchestratorError>
}

/** When a process that waits for another one tries again: soon, and then less and less often. */
const retries = Schedule.min([Schedule.exponential("25 millis", 1.5), Schedule.spaced("500 millis")]).pipe(
  Schedule.jittered
)

/** The locks of this process, which it takes under a name of its own. */
export const make: Effect.Effect<AgentLocks, never, Leases | Scope.Scope> = Effect.gen(function* () {
  const leases = yield* Leases
  const { beat, ttl } = yield* Policy
  const holder = `process/${yield* Id.nextToken}`
  /** One for each agent that is waited for, so that this process grants its locks in the order of the requests. */
  const newQueue = Semaphore.make(1)
  const queues = yield* RcMap.make<Id.AgentId, Semaphore.Semaphore, never, never>({ lookup: () => newQueue })

  // Only the waiting can be interrupted: a lease that is not released keeps all other processes waiting.
  const leaseOf = (id: Id.AgentId) =>
    Effect.acquireRelease(leases.acquire(resourceOf(id), { holder, ttl }), (held) =>
      Effect.catch(leases.release(held), (error) =>
        Effect.logWarning("The lock of an agent could not be released; it expires by itself", error)
      )
    ).pipe(
      Effect.retry({
        schedule: retries,
        while: (error: StateStoreError.StateStoreError) => error.reason._tag === "LeaseHeld"
      })
    )

  /** Renews a lease until another process has it, or until it could not be renewed in time. */
  const renew = Effect.fnUntraced(function* (first: Lease.Lease) {
    let lease = first
    for (;;) {
      yield* Effect.sleep(beat)
      const renewed = yield* Effect.result(leases.renew(lease, ttl))
      if (renewed._tag === "Success") {
        lease = renewed.success
        continue
      }
      if (renewed.failure.reason._tag === "LeaseLost") return
      yield* Effect.logWarning("The lock of an agent could not be renewed", renewed.failure)
      if (DateTime.isLessThanOrEqualTo(lease.until, yield* DateTime.now)) return
    }
  })

  const acquire = Effect.fn("AgentLocks.acquire")(function* (operation: string, id: Id.AgentId) {
    const queue = yield* RcMap.get(queues, id)
    yield* queue.takeScoped(1)
    const lease = yield* Effect.mapError(leaseOf(id), fromStore(operation))
    const lost = yield* Deferred.make<never, OrchestratorError.OrchestratorError>()
    const taken = failure(operation, new OrchestratorError.TakenOver({ id }))
    yield* Effect.forkScoped(Effect.andThen(renew(lease), Deferred.fail(lost, taken)))
    return { lease, lost: Deferred.await(lost), isLost: Deferred.isDone(lost) }
  })

  return {
    acquire,
    holder: (operation, id) => Effect.mapError(leases.current(resourceOf(id)), fromStore(operation))
  }
})
