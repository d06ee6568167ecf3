import { Id, StateStoreError } from "@remote-agent/domain"
import { Context, DateTime, Duration, Effect, Layer } from "effect"

/**
 * The process that claims a delivery, and how long its claim lasts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claimant {
  /** The name of the process, for people. It gives no right to a claim; only the token does. */
  readonly holder: string
  /** The claim expires after this time unless the holder extends it. */
  readonly expiresIn: Duration.Duration
}

/**
 * The result of a claim.
 *
 * - `Claimed`: the caller handles the delivery. `token` proves the claim; `attempt` counts the claims, from 1.
 * - `Busy`: another process handles it. Its claim expires at `until` unless it is extended.
 * - `Processed`: it was handled before.
 *
 * @category models
 * @since 0.1.0
 */
export type Claim =
  | { readonly _tag: "Claimed"; readonly token: string; readonly attempt: number }
  | { readonly _tag: "Busy"; readonly until: DateTime.Utc }
  | { readonly _tag: "Processed" }

/**
 * The store of claims on webhook deliveries, by which each delivery is handled once, however many processes receive it.
 * All failures are `StateStoreError`s.
 *
 * **Details**
 *
 * An expired claim belongs to its holder until another process claims the delivery. From then on its token is refused
 * with `ClaimLost`. Repeating `complete` or `fail` with the same token succeeds, so that a lost reply can be retried.
 *
 * @category services
 * @since 0.1.0
 */
export class Deliveries extends Context.Service<
  Deliveries,
  {
    /** Claims a delivery that is new, has failed, or whose claim has expired. One of several concurrent calls gets it. */
    readonly claim: (id: string, claimant: Claimant) => Effect.Effect<Claim, StateStoreError.StateStoreError>
    /** Extends the claim: it expires this long from now. Fails with `ClaimLost`. */
    readonly extend: (
      id: string,
      token: string,
      expiresIn: Duration.Duration
    ) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** Records that the delivery was handled. It is never claimed again. Fails with `ClaimLost`. */
    readonly complete: (id: string, token: string) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** Records that handling failed. The delivery may be claimed again. `reason` is for people. Fails with `ClaimLost`. */
    readonly fail: (
      id: string,
      token: string,
      reason: string
    ) => Effect.Effect<void, StateStoreError.StateStoreError>
  }
>()("@remote-agent/github/Deliveries") {}

type State =
  | { readonly _tag: "Processing"; readonly until: DateTime.Utc }
  | { readonly _tag: "Processed" }
  | { readonly _tag: "Failed"; readonly reason: string }

interface Entry {
  readonly token: string
  readonly attempt: number
  readonly changedAt: DateTime.Utc
  readonly state: State
}

/**
 * The default time for which deliveries are remembered. GitHub allows redelivery for three days.
 *
 * @category constants
 * @since 0.1.0
 */
export const retention: Duration.Duration = Duration.days(30)

/**
 * Makes a store in the memory of this process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory = (
  options: { readonly retention?: Duration.Input | undefined } = {}
): Effect.Effect<Deliveries["Service"]> =>
  Effect.sync(() => {
    const remembered = Duration.fromInputUnsafe(options.retention ?? retention)
    // In the order of their last change: a write moves an entry to the end.
    const entries = new Map<string, Entry>()

    const write = (id: string, entry: Entry) => {
      entries.delete(id)
      entries.set(id, entry)
    }

    const forget = (now: DateTime.Utc) => {
      for (const [id, { changedAt, state }] of entries) {
        if (DateTime.isLessThan(now, DateTime.addDuration(changedAt, remembered))) return
        if (state._tag !== "Processing" || DateTime.isLessThanOrEqualTo(state.until, now)) entries.delete(id)
      }
    }

    const change = (operation: string, id: string, token: string, next: (now: DateTime.Utc) => State) =>
      Effect.gen(function* () {
        const changedAt = yield* DateTime.now
        return yield* Effect.suspend(() => {
          const entry = entries.get(id)
          const state = next(changedAt)
          const isMine = entry?.token === token
          if (isMine && entry.state._tag === "Processing") {
            write(id, { ...entry, state, changedAt })
            return Effect.void
          }
          if (isMine && entry.state._tag === state._tag) return Effect.void
          return new StateStoreError.StateStoreError({
            operation,
            reason: new StateStoreError.ClaimLost({ id })
          })
        })
      })

    return Deliveries.of({
      claim: Effect.fn("Deliveries.claim")(function* (id, claimant) {
        const [now, token] = [yield* DateTime.now, yield* Id.nextToken]
        // One synchronous step, so that no other fiber runs in between.
        return yield* Effect.sync((): Claim => {
          forget(now)
          const entry = entries.get(id)
          const state = entry?.state
          if (state?._tag === "Processed") return state
          if (state?._tag === "Processing" && DateTime.isLessThan(now, state.until)) {
            return { _tag: "Busy", until: state.until }
          }
          const attempt = (entry?.attempt ?? 0) + 1
          const until = DateTime.addDuration(now, claimant.expiresIn)
          write(id, { token, attempt, changedAt: now, state: { _tag: "Processing", until } })
          return { _tag: "Claimed", token, attempt }
        })
      }),
      extend: Effect.fn("Deliveries.extend")((id, token, expiresIn) =>
        change("extendDelivery", id, token, (now) => ({
          _tag: "Processing",
          until: DateTime.addDuration(now, expiresIn)
        }))
      ),
      complete: Effect.fn("Deliveries.complete")((id, token) =>
        change("completeDelivery", id, token, () => ({ _tag: "Processed" }))
      ),
      fail: Effect.fn("Deliveries.fail")((id, token, reason) =>
        change("failDelivery", id, token, () => ({ _tag: "Failed", reason }))
      )
    })
  })

/**
 * A store in the memory of this process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options?: {
  /** How long a delivery is remembered after it was handled. Default: 30 days. */
  readonly retention?: Duration.Input | undefined
}): Layer.Layer<Deliveries> => Layer.effect(Deliveries, makeMemory(options))
