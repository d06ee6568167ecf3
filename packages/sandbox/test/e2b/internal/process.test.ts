import { assert, it, vi } from "@effect/vitest"
import { E2bServer } from "@remote-agent/e2b-local"
import { E2bSandboxes, type Sandbox } from "@remote-agent/sandbox"
import { Conformance } from "@remote-agent/sandbox/testing"
import { type CommandHandle, E2B } from "e2b"
import { Effect, flow, Redacted, Schedule, Stream } from "effect"
import { clearCollected } from "../../../src/e2b/internal/process.ts"
import {
  type Answer,
  type Arrived,
  forward,
  json,
  pointedAt,
  refusal,
  reset,
  serve
} from "../../support/wire.ts"

// The duration of real processes and requests depends on the machine.
vi.setConfig({ testTimeout: 60_000 })

const textOf = ({ body }: Arrived) => new TextDecoder().decode(body)

const isStart = ({ path }: Arrived) => path === "/process.Process/Start"

/** A requested command carries its mark; the command that kills it does not. */
const isCommand = (arrived: Arrived) =>
  isStart(arrived) && textOf(arrived).includes('"REMOTE_AGENT_COMMAND":')
const isKill = (arrived: Arrived) => isStart(arrived) && !isCommand(arrived)

/** A sandbox of a real server, behind a proxy that answers in its place or lets the request pass. */
const world = Effect.fnUntraced(function* (
  instead: (arrived: Arrived, pass: () => Promise<Answer>, kills: number) => Promise<Answer> | undefined
) {
  const { apiKey, url } = yield* E2bServer.E2bServer
  let kills = 0
  const proxy = yield* serve((arrived) => {
    const pass = () => forward(url, arrived)
    if (isKill(arrived)) kills++
    return instead(arrived, pass, kills) ?? pass()
  })
  const sandboxes = yield* E2bSandboxes.make(pointedAt(proxy.url, { apiKey }))
  const sandbox = yield* sandboxes.create({ ttl: "2 minutes" })
  return { proxy, sandbox, sandboxes }
})

// The sandbox is terminated before its server stops.
const provided = flow(Effect.scoped, Effect.provide(E2bServer.layer({ isolation: "none" })))

const beat = ({ files }: Sandbox.Sandbox) =>
  Effect.catchReason(files.readString("beat"), "SandboxError", "FileNotFound", () => Effect.succeed(""))

const patiently = Schedule.spaced("20 millis")

/** Whether the process has stopped: the beat stays the same. It may be empty, when the process died while writing it. */
const stands = (sandbox: Sandbox.Sandbox) =>
  Effect.gen(function* () {
    const before = yield* beat(sandbox)
    const after = yield* Effect.delay(beat(sandbox), "300 millis")
    return before === after
  })

it.live("kills a command whose start was reset", () =>
  Effect.gen(function* () {
    const { sandbox } = yield* world((arrived, pass) =>
      isCommand(arrived)
        ? pass().then(async (answer) => {
            // The first message of the stream reports the start.
            if ("body" in answer && answer.body instanceof ReadableStream)
              await answer.body.getReader().read()
            return reset
          })
        : undefined
    )
    const error = yield* Effect.flip(sandbox.exec({ script: Conformance.scripts.heart }))
    assert.strictEqual(error.reason._tag, "Unreachable")
    assert.isFalse(error.isRetryable)
    // It may have been killed before its first beat.
    yield* sandbox.files.write("beat", "none")
    assert.isTrue(yield* stands(sandbox))
  }).pipe(provided)
)

it.live("retries a kill that failed", () =>
  Effect.gen(function* () {
    const { proxy, sandbox } = yield* world((arrived, _, kills) =>
      isKill(arrived) && kills === 1 ? Promise.resolve(reset) : undefined
    )
    yield* Stream.runDrain(
      Stream.takeUntil(
        sandbox.spawn({ script: Conformance.scripts.chatty }),
        (event) => event._tag === "Stdout"
      )
    )
    assert.strictEqual(proxy.arrived.filter(isKill).length, 2)
    assert.isTrue(yield* stands(sandbox))
  }).pipe(provided)
)

it.live("fails when input cannot be delivered, and kills the command", () =>
  Effect.gen(function* () {
    const { proxy, sandbox } = yield* world(({ path }) =>
      path === "/process.Process/SendInput" ? Promise.resolve(refusal(401)) : undefined
    )
    const error = yield* Effect.flip(sandbox.exec({ script: "cat", stdin: "x" }))
    assert.strictEqual(error.reason._tag, "Unauthorized")
    assert.strictEqual(proxy.arrived.filter(isKill).length, 1)
  }).pipe(provided)
)

/** The response of a provider to input for a pipe without a reader. */
const brokenPipe = json(500, { code: "internal", message: "broken pipe" })

it.live("succeeds when a command ends while its input is refused", () =>
  Effect.gen(function* () {
    const { sandbox } = yield* world(({ path }) =>
      path === "/process.Process/SendInput" ? Promise.resolve(brokenPipe) : undefined
    )
    const { exitCode } = yield* sandbox.exec({ script: "exit 7", stdin: "x" })
    assert.strictEqual(exitCode, 7)
  }).pipe(provided)
)

it.live("fails when a command keeps running while its input is refused", () =>
  Effect.gen(function* () {
    const { proxy, sandbox } = yield* world(({ path }) =>
      path === "/process.Process/SendInput" ? Promise.resolve(brokenPipe) : undefined
    )
    const error = yield* Effect.flip(sandbox.exec({ script: "cat", stdin: "x" }))
    assert.strictEqual(error.reason._tag, "Unreachable")
    assert.strictEqual(proxy.arrived.filter(isKill).length, 1)
  }).pipe(provided)
)

it.live("succeeds when a command ends before it has read its input", () =>
  Effect.gen(function* () {
    const { sandbox } = yield* world(() => undefined)
    const stdin = "x".repeat(2_000_000)
    assert.deepStrictEqual(yield* sandbox.exec({ script: "exit 7", stdin }), {
      exitCode: 7,
      stdout: "",
      stderr: ""
    })
  }).pipe(provided)
)

const long = "x".repeat(200_000)

it.live("runs a script of any length, from a file that it removes", () =>
  Effect.gen(function* () {
    const { proxy, sandbox } = yield* world(() => undefined)
    const script = `word=${long}\nprintf '%s %s' "$0" "\${#word}"\nexit 9`
    const result = yield* sandbox.exec({ script, env: { HOME: "/tmp" } })
    assert.deepStrictEqual(result, { exitCode: 9, stdout: "bash 200000", stderr: "" })
    assert.deepStrictEqual(yield* sandbox.files.list(".remote-agent"), [])
    assert.isTrue(proxy.arrived.filter(isCommand).every(({ body }) => body.length < 1000))
  }).pipe(provided)
)

it.live("reports an argument that is too long for the kernel by the exit code", () =>
  Effect.gen(function* () {
    const { sandbox } = yield* world(() => undefined)
    const { exitCode } = yield* sandbox.exec({ argv: ["true", long] })
    assert.strictEqual(exitCode, 126)
    assert.deepStrictEqual(yield* sandbox.files.list(".remote-agent"), [])
  }).pipe(provided)
)

it.live("holds only the last pieces of a command's output, unlike the SDK", () =>
  Effect.gen(function* () {
    const { apiKey, url } = yield* E2bServer.E2bServer
    const { sandbox } = yield* world(() => undefined)
    const client = new E2B({ apiKey: Redacted.value(apiKey), apiUrl: url, sandboxUrl: url })
    const handle = yield* Effect.promise(async () => {
      const { commands } = await client.Sandbox.connect(sandbox.id)
      const running = await commands.run("printf out; printf err >&2", { background: true })
      await running.wait()
      return running
    })
    assert.deepStrictEqual([handle.stdout, handle.stderr], ["out", "err"])
    clearCollected(handle, "Stdout")
    assert.deepStrictEqual([handle.stdout, handle.stderr], ["", "err"])
    clearCollected(handle, "Stderr")
    assert.deepStrictEqual([handle.stdout, handle.stderr], ["", ""])

    const handles = new Set<CommandHandle>()
    const prototype: CommandHandle = Object.getPrototypeOf(handle)
    // oxlint-disable-next-line typescript/unbound-method -- it is called on the handle that it is taken from
    const { wait } = prototype
    prototype.wait = function () {
      handles.add(this)
      return wait.call(this)
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => (prototype.wait = wait)))
    const length = 8 * 1024 * 1024
    const result = yield* sandbox.exec({ script: `yes | head -c ${length} | tee /dev/stderr` })
    assert.deepStrictEqual([result.stdout.length, result.stderr.length], [length, length])
    assert.strictEqual(handles.size, 1)
    for (const { stderr, stdout } of handles) assert.isBelow(stdout.length + stderr.length, length / 4)
  }).pipe(provided)
)

it.live("fails with Expired when the ttl ends while a command runs", () =>
  Effect.gen(function* () {
    const { sandbox, sandboxes } = yield* world(() => undefined)
    const exec = Effect.flip(sandbox.exec({ script: Conformance.scripts.heart }))
    const shorten = Effect.repeat(beat(sandbox), { until: (now) => now !== "", schedule: patiently }).pipe(
      Effect.andThen(sandboxes.extend(sandbox.id, "1 second"))
    )
    const [error] = yield* Effect.all([exec, shorten], { concurrency: 2 })
    assert.strictEqual(error.reason._tag, "Expired")
  }).pipe(provided)
)
