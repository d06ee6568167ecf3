import { ApiError, Authorization } from "@remote-agent/api"
import { Cache, Context, Deferred, Duration, Effect, Layer, Option } from "effect"

/** What became of a request with a key: it was carried out now, or an earlier one made the record `id`. */
export type Once<A, Id> =
  | { readonly _tag: "Done"; readonly value: A }
  | { readonly _tag: "Known"; readonly id: Id }

const reused = new ApiError.Conflict({
  error: {
    reason: "IdempotencyKeyReused",
    message: "An earlier request with this key did something else. Use a new key for each request.",
    retryable: false
  }
})

interface Known {
  readonly operation: string
  readonly made: Deferred.Deferred<string, ApiError.ApiError>
}

/**
 * Requests that may be repeated: a key stands for one request of one token.
 *
 * **Details**
 *
 * Keys are kept for a day, at most 10,000 of them, in this process.
 *
 * @category services
 * @since 0.2.0
 */
export class Idempotency extends Context.Service<
  Idempotency,
  {
    /** Carries out a request unless one with the same key was carried out or is under way; then waits for that one. */
    readonly once: <A, Id extends string, R>(
      operation: string,
      key: string | undefined,
      request: Effect.Effect<A, ApiError.ApiError, R>,
      idOf: (value: A) => Id
    ) => Effect.Effect<Once<A, Id>, ApiError.ApiError, R | Authorization.Caller>
  }
>()("@remote-agent/server/Idempotency") {}

const make = Effect.gen(function* () {
  const known = yield* Cache.make<string, Known>({
    capacity: 10_000,
    timeToLive: Duration.days(1),
    lookup: () => Effect.die("keys are set, never looked up")
  })

  return Idempotency.of({
    once: Effect.fn("Idempotency.once")(function* <A, Id extends string, R>(
      operation: string,
      key: string | undefined,
      request: Effect.Effect<A, ApiError.ApiError, R>,
      idOf: (value: A) => Id
    ): Effect.fn.Return<Once<A, Id>, ApiError.ApiError, R | Authorization.Caller> {
      if (key === undefined) return { _tag: "Done", value: yield* request }
      const { token } = yield* Authorization.Caller
      const name = `${token} ${key}`
      const earlier = yield* Cache.getOption(known, name)
      if (Option.isSome(earlier)) {
        if (earlier.value.operation !== operation) return yield* reused
        return { _tag: "Known", id: (yield* Deferred.await(earlier.value.made)) as Id }
      }
      const made = yield* Deferred.make<string, ApiError.ApiError>()
      yield* Cache.set(known, name, { operation, made })
      // A request that failed may be repeated under its key; those that wait for it fail with it.
      const value = yield* request.pipe(
        Effect.tapCause((cause) =>
          Effect.andThen(Cache.invalidate(known, name), Deferred.failCause(made, cause))
        )
      )
      yield* Deferred.succeed(made, idOf(value))
      return { _tag: "Done", value }
    })
  })
})

/** @since 0.2.0 */
export const layer: Layer.Layer<Idempotency> = Layer.effect(Idempotency, make)
