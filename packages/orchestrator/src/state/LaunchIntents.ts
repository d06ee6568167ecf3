import { type Id, LaunchIntent, StateStoreError } from "@remote-agent/domain"
import { Context, DateTime, Duration, Effect, Fiber, Layer, Schedule, Stream } from "effect"

/**
 * The launches that are under way. An intent is opened before every create, renewed for as long as its launch goes
 * on, and closed when the agent is active or its sandbox has certainly ended. One that is renewed tells the reaper
 * that somebody is at work, however long that takes; one that no longer is, is what a crash leaves to be found.
 * Failures are `StateStoreError`s.
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

/** How often an intent is renewed. The grace of a reaper must be several times as long. */
export const beat = Duration.minutes(1)

/** Renews an intent for as long as a launch goes on. A renewal that fails is logged; the next may succeed. */
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

/** Intents that live and die with the process. */
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

/** Intents that live and die with the process. */
export const layerMemory: Layer.Layer<LaunchIntents> = Layer.effect(LaunchIntents, makeMemory)
