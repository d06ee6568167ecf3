import { RemoteAgentConfig, Id } from "@remote-agent/domain"
import { Clock, Data, DateTime, Duration, Effect, Layer, Schema, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import * as BodyBudget from "./bodyBudget.ts"
import type { Deliveries } from "./Deliveries.ts"
import * as DeliveryQueue from "./DeliveryQueue.ts"
import * as WebhookEvent from "./WebhookEvent.ts"
import * as WebhookSignature from "./WebhookSignature.ts"

/**
 * A delivered event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  /** GitHub's id of the delivery. A redelivery has the same id. */
  readonly id: string
  readonly event: WebhookEvent.Event
  /** The number of this attempt, from 1. */
  readonly attempt: number
}

/**
 * How deliveries are received.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<E, R> {
  /**
   * Handles a delivery after GitHub got its reply. A failure or a timeout is logged, and the delivery may be sent
   * again.
   */
  readonly handle: (delivery: Delivery) => Effect.Effect<void, E, R>
  /** Default: `/webhook`. */
  readonly path?: `/${string}` | undefined
  /** Events with the same key are handled one after the other. Default: `WebhookEvent.keyOf`. */
  readonly key?: ((event: WebhookEvent.Event) => string) | undefined
  /** The largest body that is accepted, in bytes. Default: 25 MiB, the most that GitHub sends. */
  readonly maxBodyBytes?: number | undefined
  /** How long a body may take to arrive. Default: 10 seconds, after which GitHub itself gives up. */
  readonly bodyTimeout?: Duration.Input | undefined
  /** The most bytes of bodies that are held at once, over all connections. Default: 64 MiB. More are refused with 503. */
  readonly maxHeldBytes?: number | undefined
  /** How many bodies are received at once. Default: 64. More are refused with 503. */
  readonly maxBodies?: number | undefined
  /** How many deliveries are handled at once. Default: 8. */
  readonly concurrency?: number | undefined
  /** How many accepted deliveries may be unfinished. Default: 1000. More are refused with 503. */
  readonly capacity?: number | undefined
  /** How long after a crash of this process another one may take over its deliveries. Default: 1 minute. */
  readonly claimFor?: Duration.Input | undefined
  /** The time limit for handling one delivery. Default: 30 minutes. */
  readonly timeLimit?: Duration.Input | undefined
  /** How long handling may go on after the layer is closed. Default: 30 seconds. */
  readonly grace?: Duration.Input | undefined
}

/** A refused request and its reply. */
class Refused extends Data.TaggedError("Refused")<{
  readonly status: number
  readonly why: string
  readonly retryAfter?: number
}> {}

const refuse = (status: number, why: string) => Effect.fail(new Refused({ status, why }))

const answer = (status: number, outcome: string, headers: Record<string, string> = {}) =>
  HttpServerResponse.jsonUnsafe({ outcome }, { status, headers: { ...headers, "cache-control": "no-store" } })

const duration = (input: Duration.Input | undefined, fallback: Duration.Input) =>
  Duration.fromInputUnsafe(input ?? fallback)

const readLength = Schema.decodeUnknownOption(Schema.FiniteFromString)

const noMemory = new Refused({ status: 503, why: "there is no room for the body", retryAfter: 10 })

/**
 * Reads a body up to a size, and verifies it while it arrives. The rest of a larger one is neither kept nor waited for.
 * Its memory counts until the scope closes.
 */
const bodyOf = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  maximum: number,
  { admit }: ReturnType<typeof BodyBudget.make>,
  verifier: ReturnType<typeof WebhookSignature.verifier>
) {
  const tooLarge = refuse(413, "the body is too large")
  const length = readLength(request.headers["content-length"])
  const announced = length._tag === "Some" ? Math.max(0, length.value) : 0
  if (announced > maximum) return yield* tooLarge
  const held = yield* admit(announced)
  if (held === undefined) return yield* noMemory
  const chunks: Array<Uint8Array> = []
  let size = 0
  yield* Stream.runForEach(request.stream, (chunk): Effect.Effect<void, Refused> => {
    size += chunk.byteLength
    if (size > maximum) return tooLarge
    if (!held.take(chunk.byteLength)) return Effect.fail(noMemory)
    verifier.update(chunk)
    chunks.push(chunk)
    return Effect.void
  }).pipe(Effect.catchTag("HttpServerError", () => refuse(400, "the body did not arrive")))
  if (!verifier.verified()) return yield* refuse(401, "the signature is wrong")
  return Buffer.concat(chunks)
})

const isName = Schema.is(Schema.String.check(Schema.isPattern(/^[\w.-]{1,128}$/)))

/**
 * A route that receives GitHub's webhook deliveries, for the `HttpRouter` of a server.
 *
 * **Details**
 *
 * It replies before the work is done: 202 accepted, 200 handled before, 401 not signed with a known secret, 400 not a
 * delivery of GitHub, 408 too slow, 413 too large, 409 being handled, 503 no room or no store. GitHub records every reply
 * but 2xx as failed and allows redelivery. A delivery that is being handled is refused, so that it is not lost when the
 * handling fails. All servers that share a `Deliveries` handle a delivery id once.
 *
 * **Gotchas**
 *
 * GitHub does not sign the id. An attacker who can read a delivery could send it again under another id, so receive
 * over HTTPS.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  options: Options<E, R> & { readonly secrets: WebhookSignature.Secrets }
): Layer.Layer<never, never, HttpRouter.HttpRouter | Deliveries | R> =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const context = yield* Effect.context<R>()
      const { submit } = yield* DeliveryQueue.make({
        holder: yield* Id.nextToken,
        concurrency: options.concurrency ?? 8,
        capacity: options.capacity ?? 1000,
        claimFor: duration(options.claimFor, "1 minute"),
        timeLimit: duration(options.timeLimit, "30 minutes"),
        grace: duration(options.grace, "30 seconds")
      })
      const bodyTimeout = duration(options.bodyTimeout, "10 seconds")
      const maximum = options.maxBodyBytes ?? 25 * 1024 * 1024
      const budget = BodyBudget.make({
        bytes: options.maxHeldBytes ?? 64 * 1024 * 1024,
        bodies: options.maxBodies ?? 64
      })
      const keyOf = options.key ?? WebhookEvent.keyOf

      const receive = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
        const signature = request.headers["x-hub-signature-256"]
        // The body of an unsigned request is not read.
        if (!WebhookSignature.isWellFormed(signature))
          return yield* refuse(401, "the signature is missing or malformed")
        const verifier = WebhookSignature.verifier(signature, options.secrets)
        const body = yield* Effect.timeoutOrElse(bodyOf(request, maximum, budget, verifier), {
          duration: bodyTimeout,
          orElse: () => refuse(408, "the body took too long")
        })
        const [name, id] = [request.headers["x-github-event"], request.headers["x-github-delivery"]]
        if (!isName(name) || !isName(id)) return yield* refuse(400, "one of GitHub's headers is missing")
        const event = yield* Effect.catchTag(
          WebhookEvent.decode(name, body, request.headers["content-type"]),
          "Malformed",
          ({ message }) => refuse(400, message)
        )
        const work = (attempt: number) =>
          options.handle({ id, event, attempt }).pipe(
            Effect.provideContext(context),
            Effect.withSpan("WebhookReceiver.handle", {
              root: true,
              attributes: { id, event: name, attempt }
            })
          )
        const admission = yield* Effect.catchTag(submit(id, keyOf(event), work), "StateStoreError", (error) =>
          Effect.andThen(
            Effect.logError("A webhook delivery could not be claimed", error),
            Effect.fail(new Refused({ status: 503, why: "deliveries cannot be recorded", retryAfter: 10 }))
          )
        )
        switch (admission._tag) {
          case "Accepted":
            return answer(202, "accepted")
          case "Processed":
            return answer(200, "handled before")
          case "Full":
            return yield* new Refused({ status: 503, why: "there is no room", retryAfter: 10 })
          case "Busy": {
            const left = DateTime.toEpochMillis(admission.until) - (yield* Clock.currentTimeMillis)
            const retryAfter = Math.max(1, Math.ceil(left / 1000))
            return yield* new Refused({ status: 409, why: "it is being handled", retryAfter })
          }
        }
      }, Effect.scoped)

      yield* router.add("POST", options.path ?? "/webhook", (request) =>
        receive(request).pipe(
          Effect.catchTag("Refused", ({ retryAfter, status, why }) =>
            Effect.as(
              Effect.logDebug(`A webhook delivery was refused with ${status}: ${why}`),
              answer(status, why, {
                // The rest of the body will not be read.
                ...(status === 408 || status === 413 || status === 401 || status === 503
                  ? { connection: "close" }
                  : {}),
                ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) })
              })
            )
          )
        )
      )
    })
  )

/**
 * {@link layer} with the secrets of the settings (`GITHUB_WEBHOOK_SECRET`). Fails without a secret.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <E, R>(
  options: Options<E, R>
): Layer.Layer<
  never,
  RemoteAgentConfig.ConfigError,
  HttpRouter.HttpRouter | Deliveries | RemoteAgentConfig.RemoteAgentConfig | R
> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = yield* RemoteAgentConfig.RemoteAgentConfig
      yield* RemoteAgentConfig.requireKeys(config, ["GITHUB_WEBHOOK_SECRET"], "receiving webhooks")
      return layer({ ...options, secrets: config.GITHUB_WEBHOOK_SECRET ?? [] })
    })
  )
