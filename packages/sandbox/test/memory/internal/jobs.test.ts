import { assert, describe, it } from "@effect/vitest"
import { Job, MemorySandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"

type Event = Sandbox.ProcessEvent

const out = (text: string): Event => ({ _tag: "Stdout", text })

/** Prints `up`, and `done` after a minute. */
const minute = Stream.concat(
  Stream.make(out("up\n")),
  Stream.fromEffect(Effect.delay(Effect.succeed(out("done\n")), "1 minute"))
)

const layer = (program: MemorySandboxes.Program = minute) => MemorySandboxes.layer({ run: () => program })

const box = Effect.flatMap(Sandboxes.Sandboxes, (sandboxes) => sandboxes.create({ ttl: "1 day" }))
const command = { argv: ["work"] as const }

const tags = Effect.fnUntraced(function* (sandbox: Sandbox.Sandbox, from?: Job.Cursor) {
  const ref = yield* Job.attach(sandbox, "one")
  const events = yield* Stream.runCollect(Job.text(Job.read(sandbox, ref, { from })))
  return events.map((event) => ("text" in event ? event.text : event._tag))
})

const commands = Effect.flatMap(MemorySandboxes.Ledger, (ledger) => ledger.commands)

describe("jobs in memory", () => {
  it.effect("run once without a reader, and are read from any cursor", () =>
    Effect.gen(function* () {
      const sandbox = yield* box
      assert.isTrue((yield* Job.start(sandbox, command, { id: "one" })).fresh)
      assert.isFalse((yield* Job.start(sandbox, command, { id: "one" })).fresh)
      yield* Effect.yieldNow
      assert.strictEqual(yield* commands, 1)
      const reading = yield* Effect.forkChild(tags(sandbox))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(reading), ["up\n", "done\n", "Exited"])
      assert.deepStrictEqual(yield* tags(sandbox, { stdout: 5, stderr: 0 }), ["ne\n", "Exited"])
      assert.strictEqual(yield* commands, 0)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("do not age while the sandbox is paused, and fail their readers with Paused", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const sandbox = yield* box
      const ref = yield* Job.start(
        sandbox,
        { ...command, timeouts: { wall: "2 minutes", idle: "90 seconds" } },
        { id: "one" }
      )
      const reading = yield* Effect.forkChild(Effect.flip(tags(sandbox)))
      yield* TestClock.adjust("30 seconds")
      yield* sandboxes.pause(sandbox.id)
      assert.strictEqual((yield* Fiber.join(reading)).reason._tag, "Paused")
      yield* TestClock.adjust("1 hour")
      yield* sandboxes.resume(sandbox.id, "1 day")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Job.status(sandbox, ref), { _tag: "Exited", exitCode: 0 })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("end at their timeouts, and when they are killed", () =>
    Effect.gen(function* () {
      const sandbox = yield* box
      for (const [id, timeouts, by] of [
        ["idle", { idle: "1 minute" }, "idle"],
        ["wall", { idle: "1 hour", wall: "1 minute" }, "wall"]
      ] as const) {
        const ref = yield* Job.start(sandbox, { ...command, timeouts }, { id })
        yield* TestClock.adjust("61 seconds")
        assert.deepStrictEqual(yield* Job.status(sandbox, ref), { _tag: "Killed", by, exitCode: 137 })
      }
      const ref = yield* Job.start(sandbox, command)
      yield* Effect.yieldNow
      assert.strictEqual((yield* Job.kill(sandbox, ref))._tag, "Killed")
      assert.strictEqual(yield* commands, 0)
      yield* Job.remove(sandbox, ref)
      const { reason } = yield* Effect.flip(Job.attach(sandbox, ref.id))
      assert.strictEqual(reason._tag, "FileNotFound")
    }).pipe(Effect.scoped, Effect.provide(layer(Stream.never)))
  )
})
