import { assert, describe, it } from "@effect/vitest"
import { SandboxError, StateStoreError } from "@remote-agent/domain"
import { LaunchCircuitBreaker } from "@remote-agent/orchestrator"
import { MemorySandboxes } from "@remote-agent/sandbox"
import { DateTime, Duration, Effect, Fiber, Layer, Stream } from "effect"
import {
  exit,
  finish,
  layer,
  nothing,
  nothingLeft,
  type Options,
  pass,
  standing,
  start
} from "../support/support.ts"
import { byId } from "../support/byId.ts"

const launch = Effect.flatMap(byId, (orchestrator) => orchestrator.launch())

const creates = Effect.flatMap(MemorySandboxes.Ledger, ({ calls }) =>
  Effect.map(calls, (all) => all.filter(({ operation }) => operation === "create").length)
)

/** The reason of a launch that fails. */
const reasonOf = Effect.map(Effect.flip(launch), ({ reason }) => reason._tag)

const failing = Effect.replicateEffect(reasonOf, 5, { discard: true })

/** Sandboxes that can be created and never used, until `broken` is false. */
const world = () => {
  const state = { broken: true }
  const options: Options = { prepare: () => Stream.make(exit(state.broken ? 3 : 0)) }
  return { state, provided: layer(options) }
}

describe("A launch", () => {
  it.effect("is refused at once after five in a row have failed, and says until when and what to do", () => {
    const { provided } = world()
    return Effect.gen(function* () {
      for (let count = 0; count < 5; count++) assert.strictEqual(yield* reasonOf, "LaunchFailed")
      const error = yield* Effect.flip(launch)
      assert(error.reason._tag === "LaunchesSuspended")
      const until = DateTime.addDuration(yield* DateTime.now, "1 minute")
      assert.deepStrictEqual(error.reason.until, until)
      assert.include(error.message, DateTime.formatIso(until))
      assert.include(error.message, "try again")
      assert.isTrue(error.isRetryable)
      assert.strictEqual(yield* creates, 5)
      assert.lengthOf(yield* standing, 5)
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(provided))
  })

  it.effect("is tried once after the cool-down, and suspends again when that fails", () => {
    const { provided } = world()
    return Effect.gen(function* () {
      yield* failing
      yield* pass("59 seconds")
      assert.strictEqual(yield* reasonOf, "LaunchesSuspended")
      yield* pass("1 second")
      assert.strictEqual(yield* reasonOf, "LaunchFailed")
      assert.strictEqual(yield* reasonOf, "LaunchesSuspended")
      assert.strictEqual(yield* creates, 6)
    }).pipe(Effect.provide(provided))
  })

  it.effect("lets no other through until its agent is active, not when its sandbox exists", () => {
    const state = { broken: true }
    const slowly = Stream.fromEffect(Effect.delay(Effect.succeed(exit(0)), "1 minute"))
    return Effect.gen(function* () {
      yield* failing
      yield* pass("1 minute")
      state.broken = false
      const probe = yield* start(launch)
      assert.strictEqual(yield* creates, 6)
      const other = yield* Effect.flip(launch)
      assert(other.reason._tag === "LaunchesSuspended")
      assert.isUndefined(other.reason.until)
      assert.strictEqual((yield* finish(Fiber.join(probe))).status, "active")
      assert.strictEqual((yield* finish(launch)).status, "active")
    }).pipe(Effect.provide(layer({ prepare: () => (state.broken ? Stream.make(exit(3)) : slowly) })))
  })

  it.effect("that succeeds starts the count anew", () => {
    const { provided, state } = world()
    return Effect.gen(function* () {
      for (let round = 0; round < 3; round++) {
        state.broken = true
        for (let count = 0; count < 4; count++) assert.strictEqual(yield* reasonOf, "LaunchFailed")
        state.broken = false
        assert.strictEqual((yield* launch).status, "active")
      }
    }).pipe(Effect.provide(provided))
  })

  it.effect("that is interrupted while it is the one tried lets the next be tried", () => {
    const state = { hangs: false }
    return Effect.gen(function* () {
      yield* failing
      yield* pass("1 minute")
      state.hangs = true
      const probe = yield* start(launch)
      yield* finish(Fiber.interrupt(probe))
      state.hangs = false
      assert.strictEqual(yield* reasonOf, "LaunchFailed")
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer({ prepare: () => (state.hangs ? Stream.never : Stream.make(exit(3))) })))
  })

  const broken = new StateStoreError.StateStoreError({
    operation: "test",
    reason: new StateStoreError.LogClosed({ id: "broken" })
  })

  it.effect("that fails because of our own store suspends nothing", () =>
    Effect.gen(function* () {
      for (let count = 0; count < 8; count++) assert.strictEqual(yield* reasonOf, "LaunchFailed")
    }).pipe(Effect.provide(layer({ store: () => ({ createAgent: () => Effect.fail(broken) }) })))
  )

  it.effect("follows the policy that is given", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reasonOf, "LaunchFailed")
      assert.strictEqual(yield* reasonOf, "LaunchesSuspended")
      yield* pass("1 hour")
      assert.strictEqual(yield* reasonOf, "LaunchFailed")
    }).pipe(
      Effect.provide(
        layer({
          fault: ({ operation }) => (operation === "create" ? new SandboxError.Busy({}) : undefined)
        }).pipe(
          Layer.provide(
            Layer.succeed(LaunchCircuitBreaker.Policy, { failures: 1, coolDown: Duration.hours(1) })
          )
        )
      )
    )
  )
})
