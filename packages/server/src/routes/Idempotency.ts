import { ApiError, Authorization } from "@remote-agent/api"
import { RequestKeys } from "@remote-agent/orchestrator"
import { Context, Duration, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import * as Crypto from "node:crypto"
import { sent } from "./sent.ts"

/**
 * How a request that may be repeated makes its record.
 *
 * @category models
 * @since 0.2.0
 */
export interface Repeatable<Id extends string, R> {
  /** The name of the operation. One key stands for one operation. */
  readonly operation: string
  /** The content of the request, as JSON. One key stands for one content. */
  readonly content: unknown
  readonly nextId: Effect.Effect<Id>
  /** Makes the record under this id. */
  readonly make: (id: Id) => Effect.Effect<unknown, ApiError.ApiError, R>
  /**
   * What became of the record of a request whose server died: `made` when it can be used, `none` when it was never made,
   * and `spoilt` when it was left half made.
   */
  readonly look: (id: Id) => Effect.Effect<"made" | "none" | "spoilt", ApiError.ApiError, R>
}

const reused = new ApiError.Conflict({
  error: {
    reason: "IdempotencyKeyReused",
    message: "An earlier request with this key did something else. Use a new key for each request.",
    retryable: false
  }
})

/** The meaning of a key: the operation, and a hash of its content. */
const identityOf = ({ content, operation }: Pick<Repeatable<string, never>, "content" | "operation">) =>
  `${operation} ${Crypto.createHash("sha256").update(JSON.stringify(content)).digest("base64url")}`

/** How long a claim holds after its server died. */
const claimTtl = Duration.seconds(30)

const heartbeat = Duration.seconds(10)

/** How often a request looks whether another with its key is done. */
const lookAgain = Duration.millis(100)

/**
 * Requests that may be repeated: a key stands for one request of one token.
 *
 * **Details**
 *
 * Keys are kept for a day in the state, so that a request may be repeated at any server of the state, also after the one
 * that carried it out died.
 *
 * @category services
 * @since 0.2.0
 */
export class Idempotency extends Context.Service<
  Idempotency,
  {
    /**
     * Makes a record unless a request with the same key did or is doing so; then waits for that one. Returns the id of
     * the record.
     */
    readonly once: <Id extends string, R>(
      key: string | undefined,
      request: Repeatable<Id, R>
    ) => Effect.Effect<Id, ApiError.ApiError, R | Authorization.Caller>
  }
>()("@remote-agent/server/Idempotency") {}

const make = Effect.map(RequestKeys.RequestKeys, (keys) => {
  /** Renews a claim while its request is carried out. */
  const renewing =
    (name: string) =>
    <A, E, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.acquireUseRelease(
        keys.renew(name, claimTtl).pipe(
          Effect.catch((error) => Effect.logWarning("The claim of a request key was not renewed", error)),
          Effect.schedule(Schedule.spaced(heartbeat)),
          Effect.forkChild
        ),
        () => request,
        (fiber) => Fiber.interrupt(fiber)
      )

  /** A request that failed may be repeated under its key. */
  const settled = (name: string) =>
    Effect.onExit((exit: Exit.Exit<unknown, ApiError.ApiError>) =>
      (Exit.isSuccess(exit) ? keys.complete(name) : keys.release(name)).pipe(
        Effect.catch((error) => Effect.logWarning("The end of a request could not be recorded", error))
      )
    )

  const keyed = <Id extends string, R>(
    name: string,
    request: Repeatable<Id, R>
  ): Effect.Effect<Id, ApiError.ApiError, R> =>
    Effect.gen(function* () {
      const { look, make: makeRecord, nextId } = request
      const operation = identityOf(request)
      const claim = yield* sent(keys.claim(name, { operation, recordId: yield* nextId, expiresIn: claimTtl }))
      if (claim._tag !== "Claimed" && claim.operation !== operation) return yield* reused
      if (claim._tag === "Done") return claim.recordId as Id
      if (claim._tag === "Busy") {
        yield* Effect.sleep(lookAgain)
        return yield* keyed(name, request)
      }
      const id = claim.recordId as Id
      const found = claim.again ? yield* look(id) : "none"
      if (found === "spoilt") {
        yield* sent(keys.release(name))
        return yield* keyed(name, request)
      }
      yield* (found === "made" ? Effect.void : makeRecord(id)).pipe(renewing(name), settled(name))
      return id
    })

  return Idempotency.of({
    once: Effect.fn("Idempotency.once")(function* <Id extends string, R>(
      key: string | undefined,
      request: Repeatable<Id, R>
    ): Effect.fn.Return<Id, ApiError.ApiError, R | Authorization.Caller> {
      if (key !== undefined) {
        const { token } = yield* Authorization.Caller
        return yield* keyed(`${token} ${key}`, request)
      }
      const id = yield* request.nextId
      yield* request.make(id)
      return id
    })
  })
})

/** @since 0.2.0 */
export const layer: Layer.Layer<Idempotency, never, RequestKeys.RequestKeys> = Layer.effect(Idempotency, make)
