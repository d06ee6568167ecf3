import { type Id, Intent, StateStoreError } from "@remote-agent/domain"
import { Context, Effect, Layer, Stream } from "effect"

/**
 * The sandboxes that are about to exist. An intent is opened before every create and closed when it is certain what
 * became of the sandbox; one that stays open is what a crash leaves to be found. Failures are `StateStoreError`s.
 */
export class Intents extends Context.Service<
  Intents,
  {
    /** Fails with `AlreadyExists` when there is an intent for this attempt. */
    readonly open: (intent: Intent.Intent) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** Succeeds when it is closed already. */
    readonly close: (attemptId: Id.AttemptId) => Effect.Effect<void, StateStoreError.StateStoreError>
    /** Every open intent, oldest first. */
    readonly list: Stream.Stream<Intent.Intent, StateStoreError.StateStoreError>
  }
>()("@remote-agent/orchestrator/Intents") {}

/** Intents that live and die with the process. */
export const makeMemory: Effect.Effect<Intents["Service"]> = Effect.sync(() => {
  const intents = new Map<Id.AttemptId, Intent.Intent>()
  return Intents.of({
    open: Effect.fn("Intents.open")((intent) =>
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
    close: Effect.fn("Intents.close")((attemptId) =>
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
export const layerMemory: Layer.Layer<Intents> = Layer.effect(Intents, makeMemory)
