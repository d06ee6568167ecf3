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

// `Conformance.test.ts` runs the same cases with the same server in its own process.
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
  it.live("keeps a sandbox with its processes from one client of the daemon to the next", () =>
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

  it.live("refuses a daemon of another version, and leaves it running", () =>
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

  it.live("refuses a daemon without isolation unless that was requested", () =>
    Effect.gen(function* () {
      const folder = yield* daemonFolder
      const waived = yield* running(daemonOptions(folder, "none"), Sandboxes.Sandboxes)
      assert.strictEqual(waived.isolation, "waived")
      const { message, reason } = yield* failure(daemonOptions(folder, "auto"))
      assert.strictEqual(reason._tag, "InvalidRequest")
      assert.include(message, `"none"`)
    })
  )

  it.live("uses the best isolation of this machine by default", () =>
    Effect.gen(function* () {
      const { isolation } = yield* running(daemonOptions(yield* daemonFolder, "auto"), Sandboxes.Sandboxes)
      assert.strictEqual(isolation, kind !== "none" ? "isolated" : "missing")
    })
  )

  describeWhere(broken !== undefined, "every isolation works here")("an isolation", () => {
    it.live("is refused by the daemon where it does not work", () =>
      Effect.gen(function* () {
        const { reason } = yield* failure(daemonOptions(yield* daemonFolder, broken ?? "none"))
        assert.strictEqual(reason._tag, "IsolationUnavailable")
      })
    )
  })

  it.live("names the log when the serving program fails", () =>
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
