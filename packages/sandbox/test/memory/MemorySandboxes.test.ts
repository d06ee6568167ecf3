import { assert, describe, it } from "@effect/vitest"
import { Id, SandboxError, SandboxLabels } from "@remote-agent/domain"
import { MemorySandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import {
  DateTime,
  Effect,
  Exit,
  Fiber,
  Latch,
  type Layer,
  Redacted,
  Ref,
  Result,
  Schedule,
  Scope,
  Stream
} from "effect"
import { TestClock } from "effect/testing"

const spec = { ttl: "1 hour" } as const

const tagOf = <A, R>(effect: Effect.Effect<A, SandboxError.SandboxError, R>) =>
  Effect.match(effect, { onFailure: ({ reason }) => reason._tag, onSuccess: () => "none" as const })

const out = (text: string): Sandbox.ProcessEvent => ({ _tag: "Stdout", text })

/** A program by the name of its script. */
const programs =
  (byName: Readonly<Record<string, (machine: MemorySandboxes.Machine) => MemorySandboxes.Program>>) =>
  (command: Sandbox.Command, machine: MemorySandboxes.Machine) =>
    "script" in command ? byName[command.script]?.(machine) : undefined

const ticks: MemorySandboxes.Program = Stream.repeat(Stream.make(out("tick")), Schedule.spaced("1 second"))

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.forkChild(effect, { startImmediately: true })

const alive = Effect.flatMap(MemorySandboxes.Ledger, (ledger) => ledger.alive)
const commands = Effect.flatMap(MemorySandboxes.Ledger, (ledger) => ledger.commands)

const provide =
  (options?: MemorySandboxes.Options) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provide(
      effect,
      MemorySandboxes.layer(options) satisfies Layer.Layer<Sandboxes.Sandboxes | MemorySandboxes.Ledger>
    )

describe("the ledger", () => {
  it.effect("records the calls in order, the living sandboxes, and their peak", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const ledger = yield* MemorySandboxes.Ledger
      const [one, two] = [yield* sandboxes.launch(spec), yield* sandboxes.launch(spec)]
      yield* one.files.write("x", "y")
      yield* sandboxes.terminate(one.id)
      const three = yield* sandboxes.launch(spec)
      yield* sandboxes.pause(two.id)
      assert.deepStrictEqual(
        (yield* ledger.calls).map(({ operation, sandboxId }) => [operation, sandboxId]),
        [
          ["create", undefined],
          ["create", undefined],
          ["write", one.id],
          ["terminate", one.id],
          ["create", undefined],
          ["pause", two.id]
        ]
      )
      assert.deepStrictEqual(
        (yield* ledger.alive).map(({ id, state }) => [id, state]),
        [
          [two.id, "paused"],
          [three.id, "running"]
        ]
      )
      assert.strictEqual(yield* ledger.peak, 2)
    }).pipe(provide())
  )

  it.effect("counts commands while they run", () =>
    Effect.gen(function* () {
      const sandbox = yield* (yield* Sandboxes.Sandboxes).launch(spec)
      const running = yield* start(sandbox.exec({ script: "ticks" }))
      assert.strictEqual(yield* commands, 1)
      yield* Fiber.interrupt(running)
      assert.strictEqual(yield* commands, 0)
    }).pipe(provide({ run: programs({ ticks: () => ticks }) }))
  )
})

describe("faults and latency", () => {
  it.effect("fails a call before it has an effect, and passes its index to the fault", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      assert.strictEqual(yield* tagOf(sandboxes.launch(spec)), "Busy")
      assert.deepStrictEqual(yield* alive, [])
      const { id } = yield* sandboxes.launch(spec)
      const error = yield* Effect.flip(sandboxes.terminate(id))
      assert.strictEqual(error.operation, "terminate")
      assert.strictEqual(error.sandboxId, id)
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.strictEqual((yield* alive).length, 1)
      yield* sandboxes.terminate(id)
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(
      provide({
        fault: (_, index) =>
          [new SandboxError.Busy({}), undefined, new SandboxError.Unreachable({ sent: true })][index]
      })
    )
  )

  it.effect("keeps a sandbox that it could not terminate with its scope", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      yield* Effect.scoped(sandboxes.create(spec))
      assert.strictEqual((yield* alive).length, 1)
    }).pipe(
      provide({
        fault: ({ operation }) =>
          operation === "terminate" ? new SandboxError.Unreachable({ sent: true }) : undefined
      })
    )
  )

  it.effect("takes exactly the scripted latency", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const launching = yield* start(sandboxes.launch(spec))
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(yield* alive, [])
      yield* TestClock.adjust("1 millis")
      const { id } = yield* Fiber.join(launching)
      assert.strictEqual((yield* sandboxes.info(id)).startedAt.epochMilliseconds, 3000)
    }).pipe(provide({ latency: ({ operation }) => (operation === "create" ? "3 seconds" : 0) }))
  )

  it.effect("finishes an interrupted create, and terminates its sandbox", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const ledger = yield* MemorySandboxes.Ledger
      const creating = yield* start(Effect.scoped(sandboxes.create(spec)))
      const interruption = yield* start(Fiber.interrupt(creating))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(interruption)
      assert.deepStrictEqual(
        (yield* ledger.calls).map(({ operation }) => operation),
        ["create", "terminate"]
      )
      assert.strictEqual(yield* ledger.peak, 1)
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(provide({ latency: ({ operation }) => (operation === "create" ? "3 seconds" : 0) }))
  )
})

describe("the ttl", () => {
  it.effect("terminates at its end, and not before", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const { id } = yield* sandboxes.launch({ ttl: "10 minutes" })
      yield* TestClock.adjust("599999 millis")
      assert.strictEqual((yield* sandboxes.info(id)).state, "running")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* tagOf(sandboxes.info(id)), "Gone")
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(provide())
  )

  it.effect("pauses at its end when told so, and keeps the contents", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const { files, id } = yield* sandboxes.launch({ ttl: "10 minutes", onExpiry: "pause" })
      yield* files.write("x", "kept")
      yield* TestClock.adjust("599999 millis")
      assert.strictEqual((yield* sandboxes.info(id)).state, "running")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* sandboxes.info(id)).state, "paused")
      yield* TestClock.adjust("365 days")
      const { resumed, sandbox } = yield* sandboxes.connect(id, "1 minute")
      assert.isTrue(resumed)
      assert.strictEqual(yield* sandbox.files.readString("x"), "kept")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* sandboxes.info(id)).state, "paused")
    }).pipe(provide())
  )

  it.effect("can be extended and shortened", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const [longer, shorter] = [yield* sandboxes.launch(spec), yield* sandboxes.launch(spec)]
      yield* TestClock.adjust("30 minutes")
      yield* sandboxes.extend(longer.id, "1 hour")
      yield* sandboxes.extend(shorter.id, "1 minute")
      assert.deepStrictEqual(
        (yield* sandboxes.info(longer.id)).endsAt,
        DateTime.addDuration(yield* DateTime.now, "1 hour")
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* tagOf(sandboxes.info(shorter.id)), "Gone")
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* tagOf(sandboxes.info(longer.id)), "Gone")
    }).pipe(provide())
  )

  it.effect("does not terminate a paused sandbox", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const { id } = yield* sandboxes.launch(spec)
      yield* sandboxes.pause(id)
      assert.strictEqual(yield* tagOf(sandboxes.extend(id, "1 minute")), "Paused")
      yield* TestClock.adjust("365 days")
      assert.strictEqual((yield* sandboxes.info(id)).state, "paused")
      yield* sandboxes.terminate(id)
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(provide())
  )

  it.effect("fails a running command with Expired at its end", () =>
    Effect.gen(function* () {
      const sandbox = yield* (yield* Sandboxes.Sandboxes).launch({ ttl: "1 minute" })
      const running = yield* start(tagOf(sandbox.exec({ script: "ticks" })))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(running), "Expired")
      assert.strictEqual(yield* commands, 0)
    }).pipe(provide({ run: programs({ ticks: () => ticks }) }))
  )
})

describe("programs", () => {
  it.effect("see the environment of the sandbox with its secrets, overridden by that of the command", () =>
    Effect.gen(function* () {
      const sandbox = yield* (yield* Sandboxes.Sandboxes).launch({
        ...spec,
        env: { KEY: Redacted.make("fake-key"), WHO: "sandbox", ONLY: "sandbox" }
      })
      const { stdout } = yield* sandbox.exec({ script: "env", env: { WHO: "command", HOME: "/elsewhere" } })
      assert.deepStrictEqual(JSON.parse(stdout), {
        HOME: "/elsewhere",
        KEY: "fake-key",
        WHO: "command",
        ONLY: "sandbox"
      })
    }).pipe(provide({ run: programs({ env: ({ env }) => MemorySandboxes.answer(JSON.stringify(env)) }) }))
  )

  it.effect("are interrupted, including daemons, when their sandbox is terminated", () =>
    Effect.gen(function* () {
      const stopped = yield* Ref.make<ReadonlyArray<string>>([])
      const started = yield* Latch.make()
      const until = (name: string) =>
        Effect.onInterrupt(Effect.never, () => Ref.update(stopped, (all) => [...all, name]))
      const run = programs({
        daemon: ({ daemon }) => Stream.fromEffectDrain(daemon(until("daemon"))),
        hang: () => Stream.fromEffectDrain(Effect.andThen(started.open, until("hang")))
      })
      yield* Effect.gen(function* () {
        const sandboxes = yield* Sandboxes.Sandboxes
        const sandbox = yield* sandboxes.launch(spec)
        yield* sandbox.exec({ script: "daemon" })
        const running = yield* start(tagOf(sandbox.exec({ script: "hang" })))
        yield* started.await
        yield* sandboxes.terminate(sandbox.id)
        assert.strictEqual(yield* Fiber.join(running), "Gone")
        assert.deepStrictEqual((yield* Ref.get(stopped)).toSorted(), ["daemon", "hang"])
        assert.strictEqual(yield* commands, 0)
      }).pipe(provide({ run }))
    })
  )

  it.effect("are interrupted with their caller", () =>
    Effect.gen(function* () {
      const sandbox = yield* (yield* Sandboxes.Sandboxes).launch(spec)
      const scope = yield* Scope.make()
      const seen = yield* Stream.toPull(sandbox.spawn({ script: "ticks" })).pipe(
        Effect.flatMap((pull) => pull),
        Scope.provide(scope)
      )
      assert.strictEqual(seen[0]._tag, "Started")
      assert.strictEqual(yield* commands, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* commands, 0)
    }).pipe(provide({ run: programs({ ticks: () => ticks }) }))
  )

  it.effect("write nothing while their sandbox is paused, and continue when it is resumed", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const sandbox = yield* sandboxes.launch(spec)
      const running = yield* start(Effect.result(sandbox.exec({ script: "count" })))
      yield* TestClock.adjust("3 seconds")
      const before = yield* sandbox.files.readString("count")
      assert.strictEqual(before, "3")
      yield* sandboxes.pause(sandbox.id)
      const result = yield* Fiber.join(running)
      assert.strictEqual(Result.isFailure(result) && result.failure.reason._tag, "Paused")
      yield* TestClock.adjust("10 minutes")
      yield* sandboxes.resume(sandbox.id, "1 hour")
      assert.strictEqual(yield* sandbox.files.readString("count"), before)
      yield* TestClock.adjust("2 seconds")
      assert.isAbove(Number(yield* sandbox.files.readString("count")), 3)
    }).pipe(
      provide({
        run: programs({
          count: ({ files }) =>
            Stream.fromSchedule(Schedule.spaced("1 second")).pipe(
              Stream.mapEffect((index) => Effect.as(files.write("count", String(index + 1)), out("counted")))
            )
        })
      })
    )
  )

  it.effect("exit with 0 without an exit event, and write nothing after one", () =>
    Effect.gen(function* () {
      const sandbox = yield* (yield* Sandboxes.Sandboxes).launch(spec)
      assert.deepStrictEqual(yield* sandbox.exec({ script: "quiet" }), {
        exitCode: 0,
        stdout: "quiet",
        stderr: ""
      })
      assert.deepStrictEqual(yield* sandbox.exec({ script: "over" }), {
        exitCode: 5,
        stdout: "",
        stderr: ""
      })
      assert.deepStrictEqual(yield* sandbox.exec({ script: "unknown" }), {
        exitCode: 127,
        stdout: "",
        stderr: "bash: command not found\n"
      })
      assert.strictEqual((yield* sandbox.exec({ argv: ["unknown"] })).stderr, "unknown: command not found\n")
    }).pipe(
      provide({
        run: programs({
          quiet: () => Stream.make(out("quiet")),
          over: () => Stream.concat(MemorySandboxes.answer("", 5), Stream.make(out("too late")))
        })
      })
    )
  )

  it.effect("fail their command when they fail", () =>
    Effect.gen(function* () {
      const sandbox = yield* (yield* Sandboxes.Sandboxes).launch(spec)
      assert.strictEqual(yield* tagOf(sandbox.exec({ script: "full" })), "NotEnoughSpace")
      assert.strictEqual(yield* commands, 0)
    }).pipe(
      provide({
        run: programs({
          full: () => Stream.fail(SandboxError.fail("exec", new SandboxError.NotEnoughSpace({})))
        })
      })
    )
  )

  it.effect("are slowed down by a slow reader", () =>
    Effect.gen(function* () {
      const written = yield* Ref.make(0)
      yield* Effect.gen(function* () {
        const sandbox = yield* (yield* Sandboxes.Sandboxes).launch(spec)
        const reading = yield* start(
          Stream.runForEach(sandbox.spawn({ script: "flood" }), () => Effect.sleep("1 second"))
        )
        yield* TestClock.adjust("10 seconds")
        assert.isBelow(yield* Ref.get(written), 100)
        yield* Fiber.interrupt(reading)
        assert.strictEqual(yield* commands, 0)
      }).pipe(
        provide({
          run: programs({
            flood: () =>
              Stream.fromEffectRepeat(
                Effect.as(
                  Ref.update(written, (count) => count + 1),
                  out("more")
                )
              )
          })
        })
      )
    })
  )
})

describe("a fleet", () => {
  it.effect("carries the given attempt id, or a generated one", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const attemptId = yield* Id.nextAttemptId
      const given = yield* sandboxes.launch({ ...spec, attemptId })
      const own = yield* sandboxes.launch(spec)
      assert.strictEqual((yield* sandboxes.info(given.id)).metadata[SandboxLabels.attemptKey], attemptId)
      assert.match((yield* sandboxes.info(own.id)).metadata[SandboxLabels.attemptKey] ?? "", /^att_/)
    }).pipe(Effect.provide(MemorySandboxes.layer()))
  )

  it.effect("is listed newest first, by metadata and by state", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const launch = (owner: string) => sandboxes.launch({ ...spec, metadata: { owner, kind: "test" } })
      const [one, two, other] = [yield* launch("me"), yield* launch("me"), yield* launch("you")]
      yield* sandboxes.pause(one.id)
      const ids = (filter: Sandboxes.Filter) =>
        Effect.map(Stream.runCollect(sandboxes.list(filter)), (all) => all.map(({ id }) => id))
      assert.deepStrictEqual(yield* ids({}), [other.id, two.id, one.id])
      assert.deepStrictEqual(yield* ids({ metadata: { owner: "me", kind: "test" } }), [two.id, one.id])
      assert.deepStrictEqual(yield* ids({ state: "running", metadata: { owner: "me" } }), [two.id])
      assert.deepStrictEqual(yield* ids({ metadata: { owner: "me", kind: "other" } }), [])
    }).pipe(provide())
  )

  it.effect("fails with Gone for an unknown sandbox, except for terminate", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes.Sandboxes
      const nobody = Id.SandboxId.make("nobody")
      assert.strictEqual(yield* tagOf(sandboxes.info(nobody)), "Gone")
      assert.strictEqual(yield* tagOf(sandboxes.connect(nobody, "1 minute")), "Gone")
      yield* sandboxes.terminate(nobody)
    }).pipe(provide())
  )
})

const withFiles = (use: (files: Sandbox.SandboxFiles) => Effect.Effect<void, SandboxError.SandboxError>) =>
  Effect.flatMap(Sandboxes.Sandboxes, (sandboxes) =>
    Effect.flatMap(sandboxes.launch(spec), ({ files }) => use(files))
  ).pipe(provide())

describe("files", () => {
  it.effect("are found by every form of their path", () =>
    withFiles(
      Effect.fnUntraced(function* (files) {
        yield* files.write("a/./b/../c.txt", "text")
        assert.strictEqual(yield* files.readString(`${MemorySandboxes.home}/a/c.txt`), "text")
        assert.strictEqual(yield* files.readString("/../home/user/a//c.txt"), "text")
        assert.deepStrictEqual(yield* files.stat("a/c.txt"), {
          path: "/home/user/a/c.txt",
          name: "c.txt",
          type: "file",
          size: 4
        })
      })
    )
  )

  it.effect("move with their folder", () =>
    withFiles(
      Effect.fnUntraced(function* (files) {
        yield* files.write("a/b/c.txt", "text")
        yield* files.write("ab/c.txt", "another")
        yield* files.rename("a", "x/y")
        assert.strictEqual(yield* files.readString("x/y/b/c.txt"), "text")
        assert.strictEqual(yield* files.readString("ab/c.txt"), "another")
        assert.strictEqual(yield* tagOf(files.stat("a")), "FileNotFound")
        assert.strictEqual(yield* tagOf(files.rename("a", "b")), "FileNotFound")
      })
    )
  )

  it.effect("are removed with their folder", () =>
    withFiles(
      Effect.fnUntraced(function* (files) {
        yield* files.makeDir("a/b")
        yield* files.write("a/b/c.txt", "text")
        yield* files.remove("a")
        assert.deepStrictEqual(yield* files.list("."), [])
        assert.strictEqual(yield* tagOf(files.list("a")), "FileNotFound")
        assert.strictEqual(yield* tagOf(files.read("a/b/c.txt")), "FileNotFound")
      })
    )
  )

  it.effect("are independent of the bytes they were written from", () =>
    withFiles(
      Effect.fnUntraced(function* (files) {
        const bytes = Uint8Array.of(1, 2, 3)
        yield* files.write("x", bytes)
        bytes[0] = 9
        assert.deepStrictEqual([...(yield* files.read("x"))], [1, 2, 3])
      })
    )
  )
})
