import { describeOnce } from "#test/once"
import { amount } from "#test/tier"
import { assert, it, vi } from "@effect/vitest"
import { E2bServer } from "@remote-agent/e2b-local"
import { E2bSandboxes, Job, type Sandbox } from "@remote-agent/sandbox"
import { NodeServices } from "@effect/platform-node"
import { Effect, flow, Schedule, Stream } from "effect"
import * as Crypto from "node:crypto"
import { awaits, chance, Log, readOn, readUntil, runningOf } from "../support/jobs.ts"
import { dead } from "../support/processes.ts"
import { type Answer, type Arrived, forward, pointedAt, reset, serve } from "../support/wire.ts"

// The duration of real processes and requests depends on the machine.
vi.setConfig({ testTimeout: 180_000 })

const textOf = ({ body }: Arrived) => new TextDecoder().decode(body)

const isStart = ({ path }: Arrived) => path === "/process.Process/Start"
const isReader = (arrived: Arrived) => isStart(arrived) && textOf(arrived).includes("base64 -w 0")
const isLauncher = (arrived: Arrived) => isStart(arrived) && textOf(arrived).includes("mkfifo")

/** A sandbox of a real server, behind a proxy that changes some responses. */
const world = Effect.fnUntraced(function* (
  instead: (arrived: Arrived, pass: () => Promise<Answer>) => Promise<Answer> | undefined
) {
  const { apiKey, url } = yield* E2bServer.E2bServer
  const proxy = yield* serve((arrived) => {
    const pass = () => forward(url, arrived)
    return instead(arrived, pass) ?? pass()
  })
  const sandboxes = yield* E2bSandboxes.make(pointedAt(proxy.url, { apiKey }))
  return { proxy, sandboxes, sandbox: yield* sandboxes.create({ ttl: "5 minutes" }) }
})

// The sandbox is terminated before its server stops.
const provided = flow(Effect.scoped, Effect.provide(E2bServer.layer({ isolation: "none" })))

/** The first bytes of a response whose connection breaks after them. */
const cutAfter = (answer: Answer, bytes: number): Answer => {
  if (!("body" in answer) || !(answer.body instanceof ReadableStream)) return answer
  const source: ReadableStream<Uint8Array> = answer.body
  const reader = source.getReader()
  let left = bytes
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read()
      if (value !== undefined) controller.enqueue(value.subarray(0, left))
      left -= value?.length ?? 0
      if (!done && left > 0) return
      controller.close()
      if (!done) await reader.cancel()
    }
  })
  return { ...answer, _tag: "Cut", body }
}

describeOnce("an unreachable job", () => {
  for (const seed of [1, 2, 3]) {
    it.live(`attaches again wherever the connection breaks, seed ${seed}`, () =>
      Effect.gen(function* () {
        const draw = chance(seed)
        let broken = 0
        const { sandbox } = yield* world((arrived, pass) => {
          if (!isReader(arrived) || draw(8) === 0) return undefined
          broken++
          const [resets, bytes] = [draw(5) === 0, 2000 + draw(400_000)]
          return resets ? Promise.resolve(reset) : pass().then((answer) => cutAfter(answer, bytes))
        })
        const script = "head -c 1000000 /dev/urandom | tee sent; head -c 300000 sent >&2; exit 5"
        const ref = yield* Job.start(sandbox, { script })
        const log = yield* readOn(sandbox, ref, new Log(), { reattach: Schedule.recurs(100) })
        const sent = Buffer.from(yield* sandbox.files.read("sent"))
        assert.isAbove(broken, 2)
        assert.isTrue(log.stdout.equals(sent))
        assert.isTrue(log.stderr.equals(sent.subarray(0, 300_000)))
        assert.deepStrictEqual(log.end, { _tag: "Exited", exitCode: 5 })
      }).pipe(provided)
    )
  }

  it.live("fails when it stays unreachable", () =>
    Effect.gen(function* () {
      const { proxy, sandbox } = yield* world((arrived) =>
        isReader(arrived) ? Promise.resolve(reset) : undefined
      )
      const ref = yield* Job.start(sandbox, { script: ":" })
      const options = { reattach: Schedule.recurs(3) }
      const { reason } = yield* Effect.flip(readOn(sandbox, ref, new Log(), options))
      assert.strictEqual(reason._tag, "Unreachable")
      assert.strictEqual(proxy.arrived.filter(isReader).length, 4)
    }).pipe(provided)
  )

  it.live("keeps running, once, when the response to its start is lost", () =>
    Effect.gen(function* () {
      let lost = 0
      const { proxy, sandbox } = yield* world((arrived, pass) => {
        if (!isLauncher(arrived) || lost++ > 0) return undefined
        return pass().then(async (answer) => {
          // The whole response, so that the job certainly runs.
          if ("body" in answer) await new Response(answer.body).text()
          return reset
        })
      })
      const ref = yield* Job.start(sandbox, { script: `echo ran >>runs; ${awaits("go")}` })
      assert.isFalse(ref.fresh)
      assert.isTrue(proxy.arrived.some((arrived) => isStart(arrived) && textOf(arrived).includes(" kill ")))
      assert.deepStrictEqual(yield* Job.status(sandbox, ref), { _tag: "Running" })
      yield* sandbox.files.write("go", "")
      assert.deepStrictEqual((yield* readOn(sandbox, ref)).end, { _tag: "Exited", exitCode: 0 })
      assert.strictEqual(yield* sandbox.files.readString("runs"), "ran\n")
    }).pipe(provided)
  )

  it.live("ends soon after its sandbox, also without isolation", () =>
    Effect.gen(function* () {
      const pids = yield* Effect.scoped(
        Effect.gen(function* () {
          const { sandbox } = yield* world(() => undefined)
          const script = "echo $$ >pids; setsid sleep 600 & echo $! >>pids; echo ready; wait"
          const ref = yield* Job.start(sandbox, { script })
          yield* readUntil(sandbox, ref, new Log(), ({ cursor }) => cursor.stdout > 0)
          return (yield* runningOf(sandbox, `pids ${ref.directory}/leader`)).map(Number)
        })
      )
      assert.isAbove(pids.length, 1)
      assert.deepStrictEqual(yield* dead(pids), [])
    }).pipe(provided, Effect.provide(NodeServices.layer))
  )
})

/** More output than one command reads of a job. */
const total = amount(40_000_000, 100_000_000)

/** The position of the reader in the sandbox: the bytes that its `dd` skips, plus the bytes it has read. */
const position = (sandbox: Sandbox.Sandbox, directory: string) =>
  Effect.map(
    sandbox.exec({
      script: `for file in $(grep -lsxz "i[f]=$1/stdout" /proc/[0-9]*/cmdline); do
        skip=$(tr '\\0' '\\n' <$file | sed -n 's/^skip=//p')
        read=$(sed -n 's/^rchar: //p' \${file%cmdline}io)
        echo $((skip + read))
      done`.replaceAll("$1", directory)
    }),
    ({ stdout }) => Number(stdout)
  )

it.live(`gives ${total} bytes to a slow reader, with little of it on the way at any time`, () =>
  Effect.gen(function* () {
    // Connected to the server itself, because the proxy of the tests buffers everything.
    const { apiKey, url } = yield* E2bServer.E2bServer
    const sandboxes = yield* E2bSandboxes.make(pointedAt(url, { apiKey }))
    const sandbox = yield* sandboxes.create({ ttl: "5 minutes" })
    const perCommand: Array<number> = []
    const counted: Sandbox.Sandbox = {
      ...sandbox,
      spawn: (command) => {
        const index = perCommand.push(0) - 1
        return Stream.tap(sandbox.spawn(command), (event) =>
          Effect.sync(() => {
            perCommand[index] = (perCommand[index] ?? 0) + ("text" in event ? event.text.length : 0)
          })
        )
      }
    }
    const ref = yield* Job.start(sandbox, { script: `head -c ${total} /dev/urandom | tee copy` })
    const hash = Crypto.createHash("sha256")
    let [received, furthest] = [0, 0]
    const look = Effect.gen(function* () {
      const before = yield* position(sandbox, ref.directory)
      furthest = yield* Effect.delay(position(sandbox, ref.directory), "300 millis")
      return before === furthest && furthest > 0
    })
    yield* Stream.runForEach(Job.read(counted, ref), (event) => {
      if (!("bytes" in event)) return Effect.void
      hash.update(event.bytes)
      received += event.bytes.length
      // Consume nothing until the reader in the sandbox has stopped.
      if (received > event.bytes.length) return Effect.void
      return Effect.asVoid(Effect.repeat(look, { until: (still) => still }))
    })
    const { stdout } = yield* sandbox.exec({ script: "sha256sum <copy" })
    assert.strictEqual(received, total)
    assert.strictEqual(hash.digest("hex"), stdout.split(" ", 1)[0])
    assert.isBelow(furthest, 20_000_000)
    // The SDK keeps the output of one command until the command ends.
    assert.isAbove(perCommand.length, 1)
    assert.isBelow(Math.max(...perCommand), 50_000_000)
  }).pipe(provided)
)
