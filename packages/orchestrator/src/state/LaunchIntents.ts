import { type Id, LaunchIntent, StateStoreError } from "@remote-agent/domain"
import { Context, DateTime, Duration, Effect, Fiber, Layer, Schedule, Stream } from "effect"

/**
 * Records the launches that are under way.
 *
 * **Details**
 *
 * An intent is opened before a sandbox is created, renewed while the launch runs, and closed when the agent is active or
 * its sandbox has certainly ended. The reaper leaves renewed intents alone. An intent that is no longer renewed belongs to
 * a process that crashed.
 *
 * @category services
 * @since 0.1.0
 */
export class LaunchIntents extends Context.Service<
  LaunchIntents,
  {
    /** Fails with `AlreadyExists` when there is an intent for this attempt. */
    readonly open: (intent: LaunchIntent.LaunchIntent) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** Sets its time to now. Succeeds when it is closed, and then does nothing. */
    readonly renew: (attemptId: Id.AttemptId) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** Succeeds when it is closed already. */
    readonly close: (attemptId: Id.AttemptId) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** Every open intent, oldest first. */
    readonly list: Stream.Stream<LaunchIntent.LaunchIntent, StateStoreError.StateStoreError>
  }
>()("@remote-agent/orchestrator/LaunchIntents") {}

/**
 * The interval between two renewals of an intent. The grace of a reaper must be several times as long.
 *
 * @category constants
 * @since 0.1.0
 */
export const beat = Duration.minutes(1)

/**
 * Renews an intent while a launch runs. Failed renewals are logged.
 *
 * @category combinators
 * @since 0.1.0
 */
export const heartbeat =
  (intents: LaunchIntents["Service"], attemptId: Id.AttemptId) =>
  <A, E, R>(launching: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const renewing = intents.renew(attemptId).pipe(
      Effect.catch((error) => Effect.logWarning("An intent could not be renewed", error)),
      Effect.schedule(Schedule.spaced(beat))
    )
    return Effect.acquireUseRelease(
      Effect.forkChild(renewing),
      () => launching,
      (fiber) => Fiber.interrupt(fiber)
    )
  }

/**
 * Makes intents in memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<LaunchIntents["Service"]> = Effect.sync(() => {
  const intents = new Map<Id.AttemptId, LaunchIntent.LaunchIntent>()
  return LaunchIntents.of({
    open: Effect.fn("LaunchIntents.open")((intent) =>
      Effect.suspend(() => {
        const { attemptId } = intent
        if (intents.has(attemptId)) {
          return new StateStoreError.StateStoreError({
            operation: "openIntent",
            reason: new StateStoreError.AlreadyExists({ id: attemptId })
          })
        }
        intents.set(attemptId, intent)
        return Effect.void
      })
    ),
    renew: Effect.fn("LaunchIntents.renew")(function* (attemptId) {
      const at = yield* DateTime.now
      const intent = intents.get(attemptId)
      if (intent !== undefined) intents.set(attemptId, new LaunchIntent.LaunchIntent({ ...intent, at }))
    }),
    close: Effect.fn("LaunchIntents.close")((attemptId) =>
      Effect.sync(() => {
        intents.delete(attemptId)
      })
    ),
    list: Stream.suspend(() =>
      Stream.fromIterable([...intents.values()].toSorted((a, b) => (a.attemptId < b.attemptId ? -1 : 1)))
    )
  })
})

/**
 * Intents in memory. They are lost with the process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<LaunchIntents> = Layer.effect(LaunchIntents, makeMemory)
