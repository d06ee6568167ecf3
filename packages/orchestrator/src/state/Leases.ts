import { Lease, StateStoreError } from "@remote-agent/domain"
import { Context, DateTime, type Duration, Effect, Option } from "effect"

/** Who takes a lease, and for how long. */
export interface Claim {
  readonly holder: string
  readonly ttl: Duration.Input
}

/**
 * Leases on whatever has a name, numbered so that a write of an earlier holder can be told from one of a later: the
 * token of a lease is greater than every earlier one of its resource, also after it was given back and after a
 * restart. Whoever writes shows it as its fence.
 *
 * Time is that of the database where it has a clock of its own, and this machine's otherwise.
 */
export class Leases extends Context.Service<
  Leases,
  {
    /**
     * Takes a lease that nobody has or that has run out. Fails with `LeaseHeld` while another has it. The same
     * holder gets a new one, and its earlier self is fenced off.
     */
    readonly acquire: (
      resource: string,
      claim: Claim
    ) => Effect.Effect<Lease.Lease, StateStoreError.StateStoreError>
    /**
     * Has a lease end `ttl` from now, also one that has run out and that nobody took. Fails with `LeaseLost` when it
     * was taken or given back.
     */
    readonly renew: (
      lease: Lease.Lease,
      ttl: Duration.Input
    ) => Effect.Effect<Lease.Lease, StateStoreError.StateStoreError>
    /** Gives a lease back. Succeeds when it was lost, and then changes nothing. */
    readonly release: (lease: Lease.Lease) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** The lease that somebody has now. */
    readonly current: (
      resource: string
    ) => Effect.Effect<Option.Option<Lease.Lease>, StateStoreError.StateStoreError>
  }
>()("@remote-agent/orchestrator/Leases") {}

const failed = (operation: string, reason: StateStoreError.Reason) =>
  Effect.fail(new StateStoreError.StateStoreError({ operation, reason }))

/** Leases in memory, and what a store beside them has to know. */
export interface Memory {
  readonly leases: Leases["Service"]
  /** The newest token of a resource, 0 when there was none. */
  readonly newest: (resource: string) => number
}

/** Leases that live and die with the process. */
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
