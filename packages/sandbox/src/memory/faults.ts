/** The fault schedule of the provider in memory: which calls fail, how long calls take, and which calls were made. */
import { type Id, SandboxError } from "@remote-agent/domain"
import { type Duration, Effect, Ref } from "effect"

/**
 * A call of the provider, for assertions on the calls and their order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly operation: SandboxError.Operation
  readonly sandboxId?: Id.SandboxId | undefined
}

/**
 * The scripted faults.
 *
 * @category models
 * @since 0.1.0
 */
export interface Faults {
  /** Returns the reason for which a call fails before anything is done. It is asked for every call, in order. */
  readonly fault?: ((call: Call, index: number) => SandboxError.Reason | undefined) | undefined
  /** Returns how long a call takes. */
  readonly latency?: ((call: Call) => Duration.Input) | undefined
}

/** Records calls and makes them fail. */
export interface FaultSchedule {
  /** Records a call, waits for its latency, and fails when it is scripted to. */
  readonly called: (
    operation: SandboxError.Operation,
    sandboxId?: Id.SandboxId
  ) => Effect.Effect<Call, SandboxError.SandboxError>
  readonly calls: Effect.Effect<ReadonlyArray<Call>>
}

/** The failure of a call. */
export const failure = (call: Call, reason: SandboxError.Reason): SandboxError.SandboxError =>
  SandboxError.fail(call.operation, reason, call.sandboxId)

/** Makes a schedule that has recorded no calls. */
export const make = Effect.fnUntraced(function* ({ fault, latency }: Faults) {
  const calls = yield* Ref.make<ReadonlyArray<Call>>([])
  const called: FaultSchedule["called"] = Effect.fnUntraced(function* (operation, sandboxId) {
    const call: Call = { operation, sandboxId }
    const index = (yield* Ref.getAndUpdate(calls, (all) => [...all, call])).length
    const duration = latency?.(call)
    if (duration !== undefined) yield* Effect.sleep(duration)
    const reason = fault?.(call, index)
    if (reason !== undefined) return yield* failure(call, reason)
    return call
  })
  const schedule: FaultSchedule = { called, calls: Ref.get(calls) }
  return schedule
})
