import { type Id, SandboxError } from "@remote-agent/domain"
import type * as Sdk from "e2b"
import { Clock, Duration, Effect, Redacted, Schedule } from "effect"
import { type Asked, isControlPlane, Rejected, verdict } from "./errors.ts"
import * as RetryAfter from "./retryAfter.ts"

/** Where E2B is and who we are to it. */
export interface Connection {
  readonly apiKey: Redacted.Redacted
  /** E2B's own when absent. */
  readonly apiUrl?: string | undefined
  /** E2B's own when absent. */
  readonly sandboxUrl?: string | undefined
  /** How long one answer may take; 60 seconds when absent. */
  readonly requestTimeout?: Duration.Input | undefined
  /**
   * When to repeat what failed and is safe to repeat. When absent: five times at the most, within 30 seconds
   * of the first failure, further apart each time, and not in step with others.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** How long a call may wait in all because the provider says when to come back; 30 seconds when absent. */
  readonly patience?: Duration.Input | undefined
}

const backoff = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 5, duration: "30 seconds" })
)

/** The unmodified SDK, called one promise at a time, its rejections read into {@link SandboxError}. */
export class E2bCalls {
  readonly sdk: typeof Sdk
  readonly client: Sdk.E2B
  readonly requestTimeout: Duration.Duration
  readonly retry: Schedule.Schedule<unknown>
  readonly patience: Duration.Duration
  /** When the life of each sandbox ends, as far as we set it: what is gone after that has expired. */
  readonly lifetimes = new Map<Id.SandboxId, number>()

  constructor(sdk: typeof Sdk, connection: Connection) {
    this.sdk = sdk
    this.requestTimeout = Duration.fromInputUnsafe(connection.requestTimeout ?? "60 seconds")
    this.retry = connection.retry ?? backoff
    this.patience = Duration.fromInputUnsafe(connection.patience ?? "30 seconds")
    this.client = new sdk.E2B({
      apiKey: Redacted.value(connection.apiKey),
      // With its own retries on, the SDK loses timeouts and signals when memory is collected during a request.
      retries: 0,
      requestTimeoutMs: Duration.toMillis(this.requestTimeout),
      ...(connection.apiUrl === undefined ? {} : { apiUrl: connection.apiUrl }),
      ...(connection.sandboxUrl === undefined ? {} : { sandboxUrl: connection.sandboxUrl })
    })
  }

  /** One call, tried once. Interrupting it aborts the request; what the request does is not undone. */
  attempt<A>(
    asked: Asked,
    evaluate: (signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, SandboxError.SandboxError> {
    return Effect.suspend(() => {
      const heard: RetryAfter.Heard = {}
      return Effect.tryPromise({
        try: (signal) => RetryAfter.hearing(heard, () => evaluate(signal)),
        catch: (cause) => new Rejected({ cause })
      }).pipe(Effect.catch(({ cause }) => this.explain(cause, { ...asked, heard })))
    })
  }

  /**
   * Repeats what failed where that is safe, and not before the time that the provider said. When that is further away
   * than we have patience for, the failure is the caller's at once.
   */
  patiently<A>(
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
      const until = startedAt + Duration.toMillis(this.patience)
      return Effect.retry(inTime, {
        schedule: this.retry,
        while: (error) => error.isRetryable && notBefore <= until
      })
    })
  }

  /** Like {@link attempt}, repeated where that is safe. */
  call<A>(
    asked: Asked,
    evaluate: (signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, SandboxError.SandboxError> {
    return this.patiently(this.attempt(asked, evaluate))
  }

  /** Fails with what a rejection of the SDK means, asking the control plane where only that can tell. */
  readonly explain = Effect.fnUntraced(function* (
    this: E2bCalls,
    cause: unknown,
    asked: Asked
  ): Effect.fn.Return<never, SandboxError.SandboxError> {
    const fail = (reason: SandboxError.Reason) => SandboxError.fail(asked.operation, reason, asked.sandboxId)
    if (cause instanceof DOMException && cause.name === "TimeoutError") {
      return yield* fail(new SandboxError.RequestTimedOut({ after: this.requestTimeout }))
    }
    const read = verdict(this.sdk, cause, asked)
    if (read._tag === "known") return yield* fail(read.reason)
    if (asked.sandboxId === undefined || isControlPlane(asked.operation)) {
      return yield* fail(new SandboxError.Unreachable({ sent: true }))
    }
    return yield* fail(yield* this.whereabouts(asked.sandboxId))
  })

  /** Why a sandbox does not answer: gone, expired, paused, or nobody knows. */
  readonly whereabouts = Effect.fnUntraced(function* (this: E2bCalls, sandboxId: Id.SandboxId) {
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
            now >= (this.lifetimes.get(sandboxId) ?? Infinity)
              ? new SandboxError.Expired({})
              : new SandboxError.Gone({})
          ),
        () => Effect.succeed(new SandboxError.Unreachable({ sent: true }))
      )
    )
  })
}
