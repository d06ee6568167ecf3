import type { StateStoreError } from "@remote-agent/domain"
import { Cause, Data, Deferred, Duration, Effect, Exit, FiberSet, Schedule, Semaphore } from "effect"
import { type Claim, Deliveries } from "./Deliveries.ts"

/** How much is done at once and how long things may take. */
export interface Limits {
  /** Who this is, for people who look at a claim. */
  readonly holder: string
  /** How many deliveries may be worked on at the same time. */
  readonly concurrency: number
  /** How many may be accepted and not done; more are refused. */
  readonly capacity: number
  /** How long after the last sign of life of this process somebody else may take over. */
  readonly claimFor: Duration.Duration
  /** How long the work on one delivery may take. */
  readonly timeLimit: Duration.Duration
  /** How long accepted work may go on when the scope closes. */
  readonly grace: Duration.Duration
}

/** What became of a delivery that came in. */
export type Admission =
  | { readonly _tag: "Accepted" }
  | { readonly _tag: "Full" }
  | Exclude<Claim, { readonly _tag: "Claimed" }>

/** The work took too long. */
class TooLong extends Data.TaggedError("TooLong")<{ readonly after: Duration.Duration }> {}

/** The claim went to somebody else while the work was done. */
class Superseded extends Data.TaggedError("Superseded") {}

const patiently = Schedule.exponential("200 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 6 }))

// Settling twice is the same as once, so a write whose reply was lost may be repeated as well.
const settled = (effect: Effect.Effect<void, StateStoreError.StateStoreError>): Effect.Effect<void> =>
  effect.pipe(
    Effect.retry({ schedule: patiently, while: ({ reason }) => reason._tag === "Unavailable" }),
    Effect.catchReason("StateStoreError", "ClaimLost", () =>
      Effect.logWarning("A webhook delivery took so long that somebody else has claimed it")
    ),
    Effect.catch((error) => Effect.logError("What became of a webhook delivery could not be noted", error))
  )

/** The kind of failure, without its words, in which there may be anything. */
const nameOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  return error instanceof Error ? error.name : "failed"
}

/**
 * Claims deliveries and works on them in the background: those of one key one after the other in the order in which
 * they were accepted, those of different keys at the same time, within the limits. When the scope closes, nothing
 * more is accepted, what was accepted is finished within the grace, and what is left may be delivered again.
 */
export const make = Effect.fnUntraced(function* (limits: Limits) {
  const deliveries = yield* Deliveries
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

  const signsOfLife = (id: string, token: string) =>
    deliveries.extend(id, token, limits.claimFor).pipe(
      Effect.catchReason(
        "StateStoreError",
        "ClaimLost",
        () => Effect.fail(new Superseded()),
        // The store may be back in time for the next one.
        (_, error) => Effect.logWarning("The claim on a webhook delivery could not be extended", error)
      ),
      Effect.delay(Duration.divideUnsafe(limits.claimFor, 3)),
      Effect.forever
    )

  const settle = <E>(id: string, token: string, exit: Exit.Exit<void, E | TooLong | Superseded>) => {
    if (Exit.isSuccess(exit)) return settled(deliveries.complete(id, token))
    if (Cause.squash(exit.cause) instanceof Superseded) {
      return Effect.logWarning("Somebody else has taken over a webhook delivery")
    }
    return Effect.logError("A webhook delivery was not handled", exit.cause).pipe(
      Effect.andThen(settled(deliveries.fail(id, token, nameOf(exit.cause))))
    )
  }

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
            orElse: () => Effect.fail(new TooLong({ after: limits.timeLimit }))
          })
        )
      )
    )
    const task = Effect.uninterruptibleMask((restore) =>
      Effect.exit(restore(Effect.raceFirst(inTurn, signsOfLife(id, token)))).pipe(
        Effect.flatMap((exit) => settle(id, token, exit)),
        Effect.ensuring(
          Effect.gen(function* () {
            accepted--
            // Whoever gave up before its turn must not let the next one overtake.
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

  /** Takes a delivery in, unless somebody has it or there is no room. `key` says whose turn it waits for. */
  const submit = <E>(
    id: string,
    key: string,
    work: (attempt: number) => Effect.Effect<void, E>
  ): Effect.Effect<Admission, StateStoreError.StateStoreError> =>
    Effect.gen(function* () {
      if (isClosing || accepted >= limits.capacity) return { _tag: "Full" } as const
      // Counted before it is claimed, so that nothing is claimed for which there is no room.
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
