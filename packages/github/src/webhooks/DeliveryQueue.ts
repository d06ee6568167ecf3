/** Works on accepted deliveries in the background. */
import type { StateStoreError } from "@remote-agent/domain"
import { Cause, Data, Deferred, Duration, Effect, Exit, FiberSet, Schedule, Semaphore } from "effect"
import { type Claim, Deliveries } from "./Deliveries.ts"

/** The limits on concurrency, queue length and time. */
export interface Limits {
  /** The name of this process, for people. */
  readonly holder: string
  /** How many deliveries are handled at once. */
  readonly concurrency: number
  /** How many deliveries may be accepted and unfinished. More are refused. */
  readonly capacity: number
  /** How long a claim lasts without an extension by this process. */
  readonly claimFor: Duration.Duration
  /** The time limit for handling one delivery. */
  readonly timeLimit: Duration.Duration
  /** How long accepted work may go on after the scope closes. */
  readonly grace: Duration.Duration
}

/** The result of submitting a delivery. */
export type Admission =
  | { readonly _tag: "Accepted" }
  | { readonly _tag: "Full" }
  | Exclude<Claim, { readonly _tag: "Claimed" }>

/** Handling took longer than the time limit. */
class HandlingTimedOut extends Data.TaggedError("HandlingTimedOut")<{ readonly after: Duration.Duration }> {}

/** Another process claimed the delivery while it was being handled. */
class Superseded extends Data.TaggedError("Superseded") {}

const retryPolicy = Schedule.exponential("200 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 6 }))

// Recording the outcome twice has the same effect as once, so a write whose reply was lost may be repeated.
const recorded = (effect: Effect.Effect<void, StateStoreError.StateStoreError>): Effect.Effect<void> =>
  effect.pipe(
    Effect.retry({ schedule: retryPolicy, while: ({ reason }) => reason._tag === "Unavailable" }),
    Effect.catchReason("StateStoreError", "ClaimLost", () =>
      Effect.logWarning("Another process claimed a webhook delivery whose claim had expired")
    ),
    Effect.catch((error) => Effect.logError("The outcome of a webhook delivery could not be recorded", error))
  )

/** The name of a failure. Its message is left out, because it may contain anything. */
const nameOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  return error instanceof Error ? error.name : "failed"
}

/** Extending the claim on a delivery, and recording its outcome. */
const makeClaims = Effect.fnUntraced(function* ({ claimFor }: Limits) {
  const deliveries = yield* Deliveries

  const extendClaim = (id: string, token: string) =>
    deliveries.extend(id, token, claimFor).pipe(
      Effect.catchReason(
        "StateStoreError",
        "ClaimLost",
        () => Effect.fail(new Superseded()),
        // The store may be reachable again in time for the next extension.
        (_, error) => Effect.logWarning("The claim on a webhook delivery could not be extended", error)
      ),
      Effect.delay(Duration.divideUnsafe(claimFor, 3)),
      Effect.forever
    )

  const record = <E>(id: string, token: string, exit: Exit.Exit<void, E | HandlingTimedOut | Superseded>) => {
    if (Exit.isSuccess(exit)) return recorded(deliveries.complete(id, token))
    if (Cause.squash(exit.cause) instanceof Superseded) {
      return Effect.logWarning("Another process has taken over a webhook delivery")
    }
    return Effect.logError("A webhook delivery was not handled", exit.cause).pipe(
      Effect.andThen(recorded(deliveries.fail(id, token, nameOf(exit.cause))))
    )
  }

  return { extendClaim, record }
})

/**
 * Claims deliveries and handles them in the background. Deliveries with the same key are handled one after the other, in
 * the order in which they were accepted; others at the same time, within the limits. When the scope closes, no more are
 * accepted, running work may finish within `grace`, and unfinished deliveries may be delivered again.
 */
export const make = Effect.fnUntraced(function* (limits: Limits) {
  const deliveries = yield* Deliveries
  const { extendClaim, record } = yield* makeClaims(limits)
  const running = yield* FiberSet.make<void>()
  const slots = yield* Semaphore.make(limits.concurrency)
  const last = new Map<string, Deferred.Deferred<void>>()
  let accepted = 0
  let isClosing = false

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      isClosing = true
      yield* Effect.timeoutOption(FiberSet.awaitEmpty(running), limits.grace)
    })
  )

  const start = Effect.fnUntraced(function* <E>(
    id: string,
    key: string,
    token: string,
    work: Effect.Effect<void, E>
  ) {
    const before = last.get(key)
    const done = Deferred.makeUnsafe<void>()
    last.set(key, done)
    const turn = before === undefined ? Effect.void : Deferred.await(before)
    const inTurn = turn.pipe(
      Effect.andThen(
        slots.withPermits(1)(
          Effect.timeoutOrElse(work, {
            duration: limits.timeLimit,
            orElse: () => Effect.fail(new HandlingTimedOut({ after: limits.timeLimit }))
          })
        )
      )
    )
    const task = Effect.uninterruptibleMask((restore) =>
      Effect.exit(restore(Effect.raceFirst(inTurn, extendClaim(id, token)))).pipe(
        Effect.flatMap((exit) => record(id, token, exit)),
        Effect.ensuring(
          Effect.gen(function* () {
            accepted--
            // An item that ends before its turn must not let the next one overtake.
            yield* turn
            if (last.get(key) === done) last.delete(key)
            yield* Deferred.succeed(done, undefined)
          })
        ),
        Effect.annotateLogs({ delivery: id })
      )
    )
    yield* FiberSet.run(running, task, { startImmediately: true })
  })

  /** Accepts a delivery unless it is claimed already or the queue is full. Deliveries of one `key` are handled in order. */
  const submit = <E>(
    id: string,
    key: string,
    work: (attempt: number) => Effect.Effect<void, E>
  ): Effect.Effect<Admission, StateStoreError.StateStoreError> =>
    Effect.gen(function* () {
      if (isClosing || accepted >= limits.capacity) return { _tag: "Full" } as const
      // Counted before the claim, so that no delivery is claimed without room for it.
      accepted++
      const claim = yield* Effect.tapCause(
        deliveries.claim(id, { holder: limits.holder, expiresIn: limits.claimFor }),
        () =>
          Effect.sync(() => {
            accepted--
          })
      )
      if (claim._tag !== "Claimed") {
        accepted--
        return claim
      }
      yield* start(id, key, claim.token, work(claim.attempt))
      return { _tag: "Accepted" } as const
    }).pipe(Effect.uninterruptible)

  return { submit }
})
