import { Conformance } from "@remote-agent/sandbox/testing"
import { DaemonStart } from "@remote-agent/e2b-local"
import { Effect, Layer, Stream } from "effect"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { assert, it, layer, vi } from "@effect/vitest"
import { best as kind, broken } from "#test/isolation"
import { daemonFolder, daemonOptions } from "../support/daemon.ts"
import { describeOnce, describeRest } from "#test/once"
import { describeWhere } from "#test/where"

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const conforming = Layer.unwrap(
  Effect.map(daemonFolder, (folder) =>
    LocalSandboxes.layerDaemon({ ...daemonOptions(folder, kind), pageSize: 2 })
  )
)

// The same server has the same cases in the process of the tests, in `Conformance.test.ts`.
describeRest(`a daemon, isolation ${kind}`, () => {
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

const failure = (options: LocalSandboxes.DaemonOptions) => Effect.flip(running(options, Sandboxes.Sandboxes))

describeOnce("sandboxes of a daemon", () => {
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
      assert.strictEqual(isolation, kind !== "none" ? "isolated" : "missing")
    })
  )

  describeWhere(broken !== undefined, "every isolation works here")("an isolation", () => {
    it.live("that does not work here is refused, as the daemon says", () =>
      Effect.gen(function* () {
        const { reason } = yield* failure(daemonOptions(yield* daemonFolder, broken ?? "none"))
        assert.strictEqual(reason._tag, "IsolationUnavailable")
      })
    )
  })

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
})
