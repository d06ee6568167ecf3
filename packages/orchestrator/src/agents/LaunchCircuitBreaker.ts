import { OrchestratorError } from "@remote-agent/domain"
import { Cause, Context, DateTime, Duration, Effect, type Exit, Option, type Scope } from "effect"
import { CircuitBreaker } from "effect/persistence"

/** When launches are suspended, and for how long. */
export interface LaunchPolicy {
  /** How many launches in a row fail before launches are suspended. */
  readonly failures: number
  /** How long they are suspended. One trial launch follows, and the others wait for its result. */
  readonly coolDown: Duration.Duration
}

/** The policy in use: five failures in a row suspend launches for a minute, unless another one is provided. */
export const Policy: Context.Reference<LaunchPolicy> = Context.Reference(
  "@remote-agent/orchestrator/LaunchCircuitBreaker/Policy",
  { defaultValue: () => ({ failures: 5, coolDown: Duration.minutes(1) }) }
)

/** Suspends launches when none of them succeeds. */
export interface LaunchCircuitBreaker {
  /**
   * Runs a launch, or fails with `LaunchesSuspended` without trying. A launch counts as failed unless the agent
   * became active: a sandbox that can be created but not used costs money too.
   */
  readonly guard: <A, R>(
    launch: Effect.Effect<A, OrchestratorError.OrchestratorError, R>
  ) => Effect.Effect<A, OrchestratorError.OrchestratorError, R>
}

const outcome = (exit: Exit.Exit<unknown, OrchestratorError.OrchestratorError>) => {
  if (exit._tag === "Success") return CircuitBreaker.success
  const reason = Option.getOrUndefined(Cause.findErrorOption(exit.cause))?.reason
  // A failed store, or an agent that was terminated during its launch, says nothing of the provider.
  return reason?._tag === "LaunchFailed" && reason.cause._tag !== "StateStoreError"
    ? CircuitBreaker.failure()
    : CircuitBreaker.ignored
}

/** A breaker for the launches of this process at one provider. */
export const make = Effect.fnUntraced(function* (
  provider: string
): Effect.fn.Return<LaunchCircuitBreaker, never, Scope.Scope> {
  const { coolDown, failures } = yield* Policy
  const breaker = yield* CircuitBreaker.make({
    tripPolicy: CircuitBreaker.consecutive(failures),
    openDuration: coolDown
  }).pipe(Effect.provide(CircuitBreaker.layerStoreMemory()))

  const suspended = Effect.fnUntraced(function* ({ reason }: CircuitBreaker.CircuitBreakerError) {
    const until =
      reason._tag === "CircuitOpen"
        ? { until: DateTime.addDuration(yield* DateTime.now, reason.retryAfter) }
        : {}
    return yield* new OrchestratorError.OrchestratorError({
      operation: "launch",
      reason: new OrchestratorError.LaunchesSuspended({ provider, failures, ...until })
    })
  })

  return {
    guard: (launch) =>
      Effect.catchTag(
        breaker.execute(launch, { key: provider, classify: outcome }),
        "CircuitBreakerError",
        suspended
      )
  }
})
