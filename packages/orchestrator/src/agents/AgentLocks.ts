import { Id, Lease, OrchestratorError, type StateStoreError } from "@remote-agent/domain"
import {
  Context,
  DateTime,
  Deferred,
  Duration,
  Effect,
  type Option,
  Schedule,
  type Scope,
  Semaphore
} from "effect"
import { Leases } from "../state/Leases.ts"
import { failure, fromStore, resourceOf } from "../state/AgentStore.ts"

/** How long a process that shows no sign of life keeps an agent to itself. */
export interface LeasePolicy {
  readonly ttl: Duration.Duration
  /** How often it shows one, and looks whether it is asked to stop. */
  readonly beat: Duration.Duration
}

/** 15 seconds, with a sign of life every 3, unless another policy is given. */
export const Policy: Context.Reference<LeasePolicy> = Context.Reference(
  "@remote-agent/orchestrator/AgentLocks/Policy",
  {
    defaultValue: () => ({ ttl: Duration.seconds(15), beat: Duration.seconds(3) })
  }
)

/** The right to work with an agent alone. */
export interface AgentLock {
  /** What writes show. */
  readonly lease: Lease.Lease
  /** Fails with `TakenOver` when the right was lost, and never succeeds. */
  readonly lost: Effect.Effect<never, OrchestratorError.OrchestratorError>
  /** Whether it was lost. */
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
  /** Waits for the turn, which ends with the scope. */
  readonly acquire: (
    operation: string,
    id: Id.AgentId
  ) => Effect.Effect<AgentLock, OrchestratorError.OrchestratorError, Scope.Scope>
  /** Who has the turn now, here or elsewhere. */
  readonly holder: (
    operation: string,
    id: Id.AgentId
  ) => Effect.Effect<Option.Option<Lease.Lease>, OrchestratorError.OrchestratorError>
}

/** Whoever waits for another process asks again soon, and then less and less often. */
const patience = Schedule.min([Schedule.exponential("25 millis", 1.5), Schedule.spaced("500 millis")]).pipe(
  Schedule.jittered
)

/** The turns that this process takes, under a name that no other has. */
export const make: Effect.Effect<AgentLocks, never, Leases> = Effect.gen(function* () {
  const leases = yield* Leases
  const { beat, ttl } = yield* Policy
  const holder = `process/${yield* Id.nextToken}`
  const queues = new Map<Id.AgentId, { readonly queue: Semaphore.Semaphore; users: number }>()

  /** The place in the line of an agent within this process; the line goes when nobody stands in it. */
  const inLine = (id: Id.AgentId) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const line = queues.get(id) ?? { queue: Semaphore.makeUnsafe(1), users: 0 }
        line.users++
        queues.set(id, line)
        return line
      }),
      (line) =>
        Effect.sync(() => {
          if (--line.users === 0) queues.delete(id)
        })
    )

  // Only the waiting can be interrupted: a lease that nobody gives back keeps everybody else waiting.
  const leaseOf = (id: Id.AgentId) =>
    Effect.acquireRelease(leases.acquire(resourceOf(id), { holder, ttl }), (held) =>
      Effect.catch(leases.release(held), (error) =>
        Effect.logWarning("The lease of an agent could not be given back; it runs out by itself", error)
      )
    ).pipe(
      Effect.retry({
        schedule: patience,
        while: (error: StateStoreError.StateStoreError) => error.reason._tag === "LeaseHeld"
      })
    )

  /** Shows signs of life until it is told that the lease is another's, or could not show one for too long. */
  const keep = Effect.fnUntraced(function* (first: Lease.Lease) {
    let lease = first
    for (;;) {
      yield* Effect.sleep(beat)
      const renewed = yield* Effect.result(leases.renew(lease, ttl))
      if (renewed._tag === "Success") {
        lease = renewed.success
        continue
      }
      if (renewed.failure.reason._tag === "LeaseLost") return
      yield* Effect.logWarning("The lease of an agent could not be renewed", renewed.failure)
      if (DateTime.isLessThanOrEqualTo(lease.until, yield* DateTime.now)) return
    }
  })

  const acquire = Effect.fn("AgentLocks.acquire")(function* (operation: string, id: Id.AgentId) {
    const { queue } = yield* inLine(id)
    yield* queue.takeScoped(1)
    const lease = yield* Effect.mapError(leaseOf(id), fromStore(operation))
    const lost = yield* Deferred.make<never, OrchestratorError.OrchestratorError>()
    const taken = failure(operation, new OrchestratorError.TakenOver({ id }))
    yield* Effect.forkScoped(Effect.andThen(keep(lease), Deferred.fail(lost, taken)))
    return { lease, lost: Deferred.await(lost), isLost: Deferred.isDone(lost) }
  })

  return {
    acquire,
    holder: (operation, id) => Effect.mapError(leases.current(resourceOf(id)), fromStore(operation))
  }
})
