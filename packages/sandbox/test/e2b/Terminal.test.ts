import { assert, it, vi } from "@effect/vitest"
import { LocalSandboxes, MemorySandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Deferred, Effect, Fiber, Stream } from "effect"

// The duration of real processes and requests depends on the machine.
vi.setConfig({ testTimeout: 60_000 })

const local = LocalSandboxes.layer({ isolation: "none" })

const size = { columns: 81, rows: 23 }
const keys = (text: string) => new TextEncoder().encode(text)

const sandbox = Effect.flatMap(Sandboxes.Sandboxes, ({ create }) => create({ ttl: "2 minutes" }))

/** Reads the output of a terminal, and settles at each piece of output. */
const reading = Effect.fnUntraced(function* ({ output }: Sandbox.Terminal) {
  let shown = ""
  const waiting = new Map<string, Deferred.Deferred<void>>()
  const decoder = new TextDecoder()
  const reader = yield* Effect.forkScoped(
    Stream.runForEach(output, (bytes) => {
      shown += decoder.decode(bytes, { stream: true })
      return Effect.forEach(waiting, ([text, seen]) =>
        shown.includes(text) ? Deferred.succeed(seen, undefined) : Effect.void
      )
    })
  )
  const sees = Effect.fnUntraced(function* (text: string) {
    const seen = yield* Deferred.make<void>()
    waiting.set(text, seen)
    if (!shown.includes(text)) yield* Effect.raceFirst(Deferred.await(seen), Fiber.join(reader))
    assert.include(shown, text)
  })
  return { sees, ended: Fiber.join(reader) }
})

it.live("a terminal has its size, its keys and its exit code", () =>
  Effect.gen(function* () {
    const terminal = yield* (yield* sandbox).terminal({ ...size, env: { TERM: "dumb", LANG: "C.UTF-8" } })
    const { ended, sees } = yield* reading(terminal)
    yield* terminal.write(keys("stty size; echo $TERM-$((40 + 2))\n"))
    yield* sees("23 81")
    yield* sees("dumb-42")
    yield* terminal.resize({ columns: 99, rows: 33 })
    yield* terminal.write(keys("stty size; printf '\\303\\251\\n'\n"))
    yield* sees("33 99")
    yield* sees("é")
    yield* terminal.write(keys("exit 9\n"))
    yield* ended
    assert.strictEqual(yield* terminal.exitCode, 9)
    // Input and resizing after the end have no effect.
    yield* terminal.write(keys("late\n"))
    yield* terminal.resize(size)
  }).pipe(Effect.scoped, Effect.provide(local))
)

it.live("a terminal is killed with everything started on it when its scope closes", () =>
  Effect.gen(function* () {
    const box = yield* sandbox
    yield* Effect.scoped(
      Effect.gen(function* () {
        const terminal = yield* box.terminal(size)
        const { sees } = yield* reading(terminal)
        yield* terminal.write(keys("setsid -f sleep 98765; sleep 98765 & echo $((20 + 22))\n"))
        yield* sees("42")
        const { stdout } = yield* box.exec({ argv: ["pgrep", "-fc", "^sleep 98765"] })
        assert.strictEqual(stdout, "2\n")
      })
    )
    const { stdout } = yield* box.exec({ argv: ["pgrep", "-fc", "^sleep 98765"] })
    assert.strictEqual(stdout, "0\n")
  }).pipe(Effect.scoped, Effect.provide(local))
)

it.live("a command reads its input as it arrives", () =>
  Effect.gen(function* () {
    const box = yield* sandbox
    const open = Stream.concat(Stream.succeed(keys("one\n")), Stream.never)
    const events = yield* Stream.runCollect(box.spawn({ argv: ["head", "-n", "1"] }, open))
    assert.deepStrictEqual(
      events.filter(({ _tag }) => _tag !== "Started"),
      [
        { _tag: "Stdout", text: "one\n" },
        { _tag: "Exit", exitCode: 0 }
      ]
    )
  }).pipe(Effect.scoped, Effect.provide(local))
)

it.effect("a sandbox in memory has no terminal", () =>
  Effect.gen(function* () {
    const { reason } = yield* Effect.flip((yield* sandbox).terminal(size))
    assert.strictEqual(reason._tag, "Unsupported")
  }).pipe(Effect.scoped, Effect.provide(MemorySandboxes.layer()))
)
