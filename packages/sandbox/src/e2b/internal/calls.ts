import { type Id, SandboxError } from "@remote-agent/domain"
import type * as Sdk from "e2b"
import { Clock, Duration, Effect, Redacted, Schedule } from "effect"
import { type Call, classify, Rejected } from "./errors.ts"
import * as RetryAfter from "./retryAfter.ts"

/**
 * The connection to E2B, or to a server that speaks its protocol.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  readonly apiKey: Redacted.Redacted
  /** The address of the API; E2B's own when absent. */
  readonly apiUrl?: string | undefined
  /** The address at which all sandboxes are reached; E2B's own when absent. */
  readonly sandboxUrl?: string | undefined
  /** How long one response may take; 60 seconds when absent. */
  readonly requestTimeout?: Duration.Input | undefined
  /**
   * When to retry failures that are safe to retry. When absent: at most five times, within 30 seconds of the first
   * failure, with growing and jittered delays.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** How long a call may wait in all because the provider asks to wait; 30 seconds when absent. */
  readonly retryWindow?: Duration.Input | undefined
}

const backoff = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 5, duration: "30 seconds" })
)

/** Calls the unmodified SDK, one promise at a time, and turns its rejections into {@link SandboxError}. */
export class E2bCalls {
  readonly sdk: typeof Sdk
  readonly client: Sdk.E2B
  readonly requestTimeout: Duration.Duration
  readonly retry: Schedule.Schedule<unknown>
  readonly retryWindow: Duration.Duration
  /** When the ttl of each sandbox ends, as far as this client set it. A sandbox that is gone after that has expired. */
  readonly expiries = new Map<Id.SandboxId, number>()

  constructor(sdk: typeof Sdk, connection: Connection) {
    this.sdk = sdk
    this.requestTimeout = Duration.fromInputUnsafe(connection.requestTimeout ?? "60 seconds")
    this.retry = connection.retry ?? backoff
    this.retryWindow = Duration.fromInputUnsafe(connection.retryWindow ?? "30 seconds")
    this.client = new sdk.E2B({
      apiKey: Redacted.value(connection.apiKey),
      // With its own retries, the SDK loses timeouts and signals when memory is collected during a request.
      retries: 0,
      requestTimeoutMs: Duration.toMillis(this.requestTimeout),
      ...(connection.apiUrl === undefined ? {} : { apiUrl: connection.apiUrl }),
      ...(connection.sandboxUrl === undefined ? {} : { sandboxUrl: connection.sandboxUrl })
    })
  }

  /** Makes a call once. Interrupting it aborts the request but does not undo what the request does. */
  attempt<A>(
    call: Call,
    evaluate: (signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, SandboxError.SandboxError> {
    return Effect.suspend(() => {
      const response: RetryAfter.ResponseInfo = {}
      return Effect.tryPromise({
        try: (signal) => RetryAfter.recording(response, () => evaluate(signal)),
        catch: (cause) => new Rejected({ cause })
      }).pipe(Effect.catch(({ cause }) => this.explain(cause, { ...call, response })))
    })
  }

  /**
   * Retries an effect where that is safe, and not before the time that the provider asked to wait. When that time is
   * beyond the retry window, fails at once.
   */
  retrying<A>(
    effect: Effect.Effect<A, SandboxError.SandboxError>
  ): Effect.Effect<A, SandboxError.SandboxError> {
    return Effect.flatMap(Clock.currentTimeMillis, (startedAt) => {
      let notBefore = startedAt
      const inTime = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.andThen(now < notBefore ? Effect.sleep(notBefore - now) : Effect.void, effect)
      ).pipe(
        Effect.tapError(({ reason }) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            const after = reason._tag === "RateLimited" ? reason.retryAfter : undefined
            notBefore = after === undefined ? 0 : now + Duration.toMillis(after)
          })
        )
      )
      const until = startedAt + Duration.toMillis(this.retryWindow)
      return Effect.retry(inTime, {
        schedule: this.retry,
        while: (error) => error.isRetryable && notBefore <= until
      })
    })
  }

  /** Makes a call, and retries it where that is safe. */
  call<A>(
    call: Call,
    evaluate: (signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, SandboxError.SandboxError> {
    return this.retrying(this.attempt(call, evaluate))
  }

  /** Fails with the meaning of a rejection of the SDK. Asks the control plane where the rejection is not enough. */
  readonly explain = Effect.fnUntraced(function* (
    this: E2bCalls,
    cause: unknown,
    call: Call
  ): Effect.fn.Return<never, SandboxError.SandboxError> {
    const fail = (reason: SandboxError.Reason) => SandboxError.fail(call.operation, reason, call.sandboxId)
    if (cause instanceof DOMException && cause.name === "TimeoutError") {
      return yield* fail(new SandboxError.RequestTimedOut({ after: this.requestTimeout }))
    }
    const verdict = classify(this.sdk, cause, call)
    if (verdict._tag === "known") return yield* fail(verdict.reason)
    if (call.sandboxId === undefined || SandboxError.isControlPlane(call.operation)) {
      return yield* fail(new SandboxError.Unreachable({ sent: true }))
    }
    return yield* fail(yield* this.diagnose(call.sandboxId))
  })

  /** Finds out why a sandbox does not answer: gone, expired, paused, or unreachable. */
  readonly diagnose = Effect.fnUntraced(function* (this: E2bCalls, sandboxId: Id.SandboxId) {
    const now = yield* Clock.currentTimeMillis
    const info = this.call({ operation: "info", sandboxId }, (signal) =>
      this.client.Sandbox.getInfo(sandboxId, { signal })
    )
    return yield* info.pipe(
      Effect.map(({ state }) =>
        state === "paused" ? new SandboxError.Paused({}) : new SandboxError.Unreachable({ sent: true })
      ),
      Effect.catchReason(
        "SandboxError",
        "Gone",
        () =>
          Effect.succeed(
            now >= (this.expiries.get(sandboxId) ?? Infinity)
              ? new SandboxError.Expired({})
              : new SandboxError.Gone({})
          ),
        () => Effect.succeed(new SandboxError.Unreachable({ sent: true }))
      )
    )
  })
}
