import { assert, describe, it, layer, vi } from "@effect/vitest"
import { DaemonStart, Isolation } from "@remote-agent/e2b-local"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Conformance } from "@remote-agent/sandbox/testing"
import { Effect, Layer, Option, Stream } from "effect"
import { daemonFolder, daemonOptions } from "../support/daemon.ts"

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const { best, findings } = await Effect.runPromise(Isolation.probe)
const kind = Option.getOrElse(best, () => "none" as const)

const conforming = Layer.unwrap(
  Effect.map(daemonFolder, (folder) =>
    LocalSandboxes.layerDaemon({ ...daemonOptions(folder, kind), pageSize: 2 })
  )
)

describe(`a daemon, isolation ${kind}`, () => {
  layer(conforming, { excludeTestServices: true })((local) => {
    for (const one of Conformance.cases) {
      local.effect(one.name, () =>
        Effect.gen(function* () {
          yield* one.run
          const { list, provider } = yield* Sandboxes.Sandboxes
          assert.strictEqual(provider, "local")
          assert.deepStrictEqual(yield* Stream.runCollect(list()), [])
        })
      )
    }
  })
})

const running = <A, E, R>(
  options: LocalSandboxes.DaemonOptions,
  use: Effect.Effect<A, E, R | Sandboxes.Sandboxes | DaemonStart.Daemon>
) => Effect.provide(use, LocalSandboxes.layerDaemon(options), { local: true })

it.live("keeps a sandbox, and all that runs in it, from one user of the daemon to the next", () =>
  Effect.gen(function* () {
    const options = daemonOptions(yield* daemonFolder, kind)
    const first = yield* running(
      options,
      Effect.gen(function* () {
        const { pid } = yield* DaemonStart.Daemon
        const sandbox = yield* (yield* Sandboxes.Sandboxes).launch({ ttl: "10 minutes" })
        yield* sandbox.exec({ script: "echo kept > note" })
        return { pid, id: sandbox.id }
      })
    )
    const { pid, stdout } = yield* running(
      options,
      Effect.gen(function* () {
        const sandboxes = yield* Sandboxes.Sandboxes
        const { sandbox } = yield* sandboxes.connect(first.id, "10 minutes")
        const { stdout: note } = yield* sandbox.exec({ script: "cat note" })
        yield* sandboxes.terminate(first.id)
        return { pid: (yield* DaemonStart.Daemon).pid, stdout: note }
      })
    )
    assert.deepStrictEqual([pid, stdout], [first.pid, "kept\n"])
  })
)

const failure = (options: LocalSandboxes.DaemonOptions) => Effect.flip(running(options, Sandboxes.Sandboxes))

it.live("names a daemon of another version, and leaves it alone", () =>
  Effect.gen(function* () {
    const folder = yield* daemonFolder
    const { pid } = yield* running(daemonOptions(folder, kind), DaemonStart.Daemon)
    const { message, operation, reason } = yield* failure(daemonOptions(folder, kind, "1.1.0"))
    assert.deepStrictEqual([operation, reason._tag], ["start", "InvalidRequest"])
    for (const part of ["1.0.0", "1.1.0", `pid ${pid}`, "remote-agent local stop"]) {
      assert.include(message, part)
    }
    assert.strictEqual((yield* running(daemonOptions(folder, kind), DaemonStart.Daemon)).pid, pid)
  })
)

it.live("does not run unasked in a daemon that somebody has said may do without isolation", () =>
  Effect.gen(function* () {
    const folder = yield* daemonFolder
    const waived = yield* running(daemonOptions(folder, "none"), Sandboxes.Sandboxes)
    assert.strictEqual(waived.isolation, "waived")
    const { message, reason } = yield* failure(daemonOptions(folder, "auto"))
    assert.strictEqual(reason._tag, "InvalidRequest")
    assert.include(message, `"none"`)
  })
)

it.live("is as isolated as this machine can when nothing is said", () =>
  Effect.gen(function* () {
    const { isolation } = yield* running(daemonOptions(yield* daemonFolder, "auto"), Sandboxes.Sandboxes)
    assert.strictEqual(isolation, Option.isSome(best) ? "isolated" : "missing")
  })
)

const broken = findings.find(({ works }) => !works)?.kind

it.live.skipIf(broken === undefined)("refuses an isolation that does not work here, as the daemon says", () =>
  Effect.gen(function* () {
    const { reason } = yield* failure(daemonOptions(yield* daemonFolder, broken ?? "none"))
    assert.strictEqual(reason._tag, "IsolationUnavailable")
  })
)

it.live("names the log when what is to serve does not", () =>
  Effect.gen(function* () {
    const folder = yield* daemonFolder
    for (const command of [["false"], ["/no/such/program"]] as const) {
      const { message, reason } = yield* failure({ ...daemonOptions(folder, kind), command })
      assert.strictEqual(reason._tag, "InvalidRequest")
      assert.include(message, "local.log")
    }
  })
)
