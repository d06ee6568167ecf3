import { Id, StateStoreError } from "@remote-agent/domain"
import { Context, DateTime, Duration, Effect, Layer } from "effect"

/** Who wants to handle a delivery, and for how long nobody else may. */
export interface Claimant {
  /** Names the process, for people who look for it; being the same holder gives no right to a claim. */
  readonly holder: string
  /** After that time without a sign of life ({@link Deliveries} `extend`) the holder is taken for dead. */
  readonly expiresIn: Duration.Duration
}

/**
 * The answer to a claim.
 *
 * - `Claimed`: handle it. `token` proves the claim; `attempt` counts the claims on this delivery, from 1.
 * - `Busy`: somebody handles it, who has until then to finish or to give a sign of life.
 * - `Processed`: it was handled; there is nothing left to do.
 */
export type Claim =
  | { readonly _tag: "Claimed"; readonly token: string; readonly attempt: number }
  | { readonly _tag: "Busy"; readonly until: DateTime.Utc }
  | { readonly _tag: "Processed" }

/**
 * Which webhook deliveries are being handled and which were, so that each is handled once, whoever receives it and
 * how often. All failures are `StateStoreError`s.
 *
 * A claim that has expired stays its holder's until somebody else takes it; from then on its token is refused with
 * `ClaimLost`. Settling a claim again in the same way with the same token succeeds, so that a lost reply may be
 * asked for again.
 */
export class Deliveries extends Context.Service<
  Deliveries,
  {
    /** Claims a delivery that is new, has failed, or whose holder died. One of many at once gets it. */
    readonly claim: (id: string, claimant: Claimant) => Effect.Effect<Claim, StateStoreError.StateStoreError>
    /** A sign of life: the claim ends so long from now. Fails with `ClaimLost`. */
    readonly extend: (
      id: string,
      token: string,
      expiresIn: Duration.Duration
    ) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** The delivery was handled and is never handled again. Fails with `ClaimLost`. */
    readonly complete: (id: string, token: string) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** The delivery was not handled; the next one with this id may be. `reason` is for people. Fails with `ClaimLost`. */
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
 * How long deliveries are remembered unless something else is said. GitHub lets people send one again for three
 * days.
 */
export const retention: Duration.Duration = Duration.days(30)

/** Deliveries that are remembered by this process alone, for a time. */
export const makeMemory = (
  options: { readonly retention?: Duration.Input | undefined } = {}
): Effect.Effect<Deliveries["Service"]> =>
  Effect.sync(() => {
    const remembered = Duration.fromInputUnsafe(options.retention ?? retention)
    // The longest unchanged come first: whatever is written goes to the end.
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
        // From here to the end nothing else runs.
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

/** Deliveries that are remembered by this process alone, for a time. */
export const layerMemory = (options?: {
  /** How long a delivery is remembered after it was handled; 30 days when absent. */
  readonly retention?: Duration.Input | undefined
}): Layer.Layer<Deliveries> => Layer.effect(Deliveries, makeMemory(options))
