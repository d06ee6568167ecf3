import { assert, it } from "@effect/vitest"
import { Id, SandboxError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Duration, Effect, Fiber, Ref, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { collect, withTimeouts } from "../../src/internal/output.ts"

const id = Id.SandboxId.make("isandbox")

const out = (text: string): Sandbox.ProcessEvent => ({ _tag: "Stdout", text })
const exit: Sandbox.ProcessEvent = { _tag: "Exit", exitCode: 0 }

const silent: Stream.Stream<Sandbox.ProcessEvent> = Stream.never
const chatty = (every: Duration.Input): Stream.Stream<Sandbox.ProcessEvent> =>
  Stream.repeat(Stream.make(out("tick")), Schedule.spaced(every))

const limits = (timeouts: Sandbox.Timeouts): Sandbox.Command => ({ script: "test", timeouts })

/** Runs output with timeouts. `ended` tells whether its finalizer has run, which kills a command. */
const run = Effect.fnUntraced(function* (
  output: Stream.Stream<Sandbox.ProcessEvent>,
  timeouts: Sandbox.Timeouts
) {
  const ended = yield* Ref.make(false)
  const watched = Stream.onExit(output, () => Ref.set(ended, true))
  const fiber = yield* Effect.forkChild(
    Effect.flip(collect(withTimeouts(watched, limits(timeouts), id), id)),
    {
      startImmediately: true
    }
  )
  return { ended: Ref.get(ended), fiber, running: Effect.sync(() => fiber.pollUnsafe() === undefined) }
})

it.effect("fails a silent command at its idle timeout, and not before", () =>
  Effect.gen(function* () {
    const { ended, fiber, running } = yield* run(silent, { idle: "10 seconds" })
    yield* TestClock.adjust("9999 millis")
    assert.isTrue(yield* running)
    yield* TestClock.adjust("1 millis")
    const { operation, reason, sandboxId } = yield* Fiber.join(fiber)
    assert.deepStrictEqual(reason, new SandboxError.IdleTimedOut({ after: Duration.seconds(10) }))
    assert.strictEqual(operation, "exec")
    assert.strictEqual(sandboxId, id)
    assert.isTrue(yield* ended)
  })
)

it.effect("restarts the idle timeout with every output", () =>
  Effect.gen(function* () {
    const output = Stream.concat(Stream.take(chatty("9 seconds"), 3), silent)
    const { fiber, running } = yield* run(output, { idle: "10 seconds" })
    yield* TestClock.adjust("27999 millis")
    assert.isTrue(yield* running)
    yield* TestClock.adjust("1 millis")
    assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "IdleTimedOut")
  })
)

it.effect("does not count a slow reader as silence", () =>
  Effect.gen(function* () {
    const output = Stream.fromIterable([out("a"), out("b"), exit]).pipe(Stream.rechunk(1))
    const fiber = yield* withTimeouts(output, limits({ idle: "1 second" }), id).pipe(
      Stream.mapEffect((event) => Effect.delay(Effect.succeed(event._tag), "1 minute")),
      Stream.runCollect,
      Effect.forkChild
    )
    yield* TestClock.adjust("3 minutes")
    assert.deepStrictEqual(yield* Fiber.join(fiber), ["Stdout", "Stdout", "Exit"])
  })
)

it.effect("fails a command at its wall timeout, however much it writes", () =>
  Effect.gen(function* () {
    const { ended, fiber, running } = yield* run(chatty("1 second"), { idle: "5 seconds", wall: "1 minute" })
    yield* TestClock.adjust("59999 millis")
    assert.isTrue(yield* running)
    yield* TestClock.adjust("1 millis")
    const { reason } = yield* Fiber.join(fiber)
    assert.deepStrictEqual(reason, new SandboxError.WallTimedOut({ after: Duration.minutes(1) }))
    assert.isTrue(yield* ended)
  })
)

it.effect("fails a silent command at its wall timeout when that comes first", () =>
  Effect.gen(function* () {
    const { fiber } = yield* run(silent, { idle: "1 minute", wall: "10 seconds" })
    yield* TestClock.adjust("10 seconds")
    assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "WallTimedOut")
  })
)

it.effect("waits without a limit when there is no timeout", () =>
  Effect.gen(function* () {
    const { fiber, running } = yield* run(silent, {})
    yield* TestClock.adjust("365 days")
    assert.isTrue(yield* running)
    yield* Fiber.interrupt(fiber)
  })
)

it.effect("does not affect a command that ends in time", () =>
  Effect.gen(function* () {
    const output = Stream.fromEffect(Effect.delay(Effect.succeed(exit), "9 seconds"))
    const fiber = yield* Effect.forkChild(
      collect(withTimeouts(output, limits({ idle: "10 seconds", wall: "10 seconds" }), id), id),
      { startImmediately: true }
    )
    yield* TestClock.adjust("9 seconds")
    assert.deepStrictEqual(yield* Fiber.join(fiber), { exitCode: 0, stdout: "", stderr: "" })
  })
)

it.effect("keeps the two outputs apart", () =>
  Effect.gen(function* () {
    const output = Stream.fromIterable<Sandbox.ProcessEvent>([
      { _tag: "Started", pid: 1 },
      out("a"),
      { _tag: "Stderr", text: "x" },
      out("b"),
      { _tag: "Stderr", text: "y" },
      { _tag: "Exit", exitCode: 4 }
    ])
    assert.deepStrictEqual(yield* collect(output, id), { exitCode: 4, stdout: "ab", stderr: "xy" })
  })
)

it.effect("returns the exit code -1 for a command without an exit", () =>
  Effect.gen(function* () {
    assert.strictEqual((yield* collect(Stream.make(out("a")), id)).exitCode, -1)
  })
)

const mebibyte = out("x".repeat(1024 * 1024))

it.effect("holds 64 MiB of output", () =>
  Effect.gen(function* () {
    const { stdout } = yield* collect(Stream.take(Stream.forever(Stream.make(mebibyte)), 64), id)
    assert.strictEqual(stdout.length, 64 * 1024 * 1024)
  })
)

it.effect("fails a command that writes more", () =>
  Effect.gen(function* () {
    const ended = yield* Ref.make(false)
    const output = Stream.concat(
      Stream.take(Stream.forever(Stream.make(mebibyte)), 64),
      Stream.make(out("x"))
    )
    const endless = Stream.onExit(Stream.concat(output, silent), () => Ref.set(ended, true))
    const { reason } = yield* Effect.flip(collect(endless, id))
    assert.deepStrictEqual(reason, new SandboxError.OutputTooLarge({ limitBytes: 64 * 1024 * 1024 }))
    assert.isTrue(yield* Ref.get(ended))
  })
)
