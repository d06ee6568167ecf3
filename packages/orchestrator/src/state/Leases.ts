import { Lease, StateStoreError } from "@remote-agent/domain"
import { Context, DateTime, type Duration, Effect, Option } from "effect"

/**
 * The holder and the duration of a lease.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly holder: string
  readonly ttl: Duration.Input
}

/**
 * Grants leases on named resources.
 *
 * **Details**
 *
 * The token of a lease is greater than that of every earlier lease of the resource, also after a release and after a
 * restart. A holder passes its lease as the fence of its writes, so that writes of earlier holders are refused.
 *
 * The time is that of the database where it has a clock, and that of this machine otherwise.
 *
 * @category services
 * @since 0.1.0
 */
export class Leases extends Context.Service<
  Leases,
  {
    /**
     * Grants a lease that is free or has expired. Fails with `LeaseHeld` while another holder has it. The same holder
     * gets a new lease, and writes under its earlier lease are refused.
     */
    readonly acquire: (
      resource: string,
      claim: Claim
    ) => Effect.Effect<Lease.Lease, StateStoreError.StateStoreError>
    /**
     * Extends a lease to `ttl` from now, also an expired one that was not granted again. Fails with `LeaseLost` when it
     * was granted again or released.
     */
    readonly renew: (
      lease: Lease.Lease,
      ttl: Duration.Input
    ) => Effect.Effect<Lease.Lease, StateStoreError.StateStoreError>
    /** Releases a lease. Succeeds, and changes nothing, when the lease was lost. */
    readonly release: (lease: Lease.Lease) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** The present lease of a resource. */
    readonly current: (
      resource: string
    ) => Effect.Effect<Option.Option<Lease.Lease>, StateStoreError.StateStoreError>
  }
>()("@remote-agent/orchestrator/Leases") {}

const failed = (operation: string, reason: StateStoreError.Reason) =>
  Effect.fail(new StateStoreError.StateStoreError({ operation, reason }))

/**
 * Leases in memory, for a store in memory.
 *
 * @category models
 * @since 0.1.0
 */
export interface Memory {
  readonly leases: Leases["Service"]
  /** The newest token of a resource, 0 when there was none. */
  readonly newest: (resource: string) => number
}

/**
 * Makes leases in memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<Memory> = Effect.sync(() => {
  const known = new Map<string, { readonly lease: Lease.Lease; readonly released: boolean }>()

  const acquire = Effect.fn("Leases.acquire")(function* (resource: string, { holder, ttl }: Claim) {
    const now = yield* DateTime.now
    const last = known.get(resource)
    if (last !== undefined && !last.released && last.lease.holder !== holder) {
      const { holder: other, until } = last.lease
      if (DateTime.isGreaterThan(until, now)) {
        return yield* failed(
          "acquireLease",
          new StateStoreError.LeaseHeld({ resource, holder: other, until })
        )
      }
    }
    const token = (last?.lease.token ?? 0) + 1
    const lease = new Lease.Lease({ resource, holder, token, until: DateTime.addDuration(now, ttl) })
    known.set(resource, { lease, released: false })
    return lease
  })

  const renew = Effect.fn("Leases.renew")(function* (lease: Lease.Lease, ttl: Duration.Input) {
    const { resource, token } = lease
    const now = yield* DateTime.now
    const last = known.get(resource)
    if (last === undefined || last.released || last.lease.token !== token) {
      return yield* failed("renewLease", new StateStoreError.LeaseLost({ resource }))
    }
    const renewed = new Lease.Lease({ ...last.lease, until: DateTime.addDuration(now, ttl) })
    known.set(resource, { lease: renewed, released: false })
    return renewed
  })

  const release = Effect.fn("Leases.release")(({ resource, token }: Lease.Lease) =>
    Effect.sync(() => {
      const last = known.get(resource)
      if (last?.lease.token === token) known.set(resource, { lease: last.lease, released: true })
    })
  )

  const current = Effect.fn("Leases.current")(function* (resource: string) {
    const now = yield* DateTime.now
    return Option.fromUndefinedOr(known.get(resource)).pipe(
      Option.filter(({ lease, released }) => !released && DateTime.isGreaterThan(lease.until, now)),
      Option.map(({ lease }) => lease)
    )
  })

  return {
    leases: Leases.of({ acquire, renew, release, current }),
    newest: (resource) => known.get(resource)?.lease.token ?? 0
  }
})
