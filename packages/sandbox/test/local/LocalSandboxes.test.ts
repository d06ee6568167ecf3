import { best, broken } from "#test/isolation"
import { describeWhere } from "#test/where"
import { NodeServices } from "@effect/platform-node"
import { assert, it, vi } from "@effect/vitest"
import { E2bSandboxes, LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { E2bServer } from "@remote-agent/e2b-local"
import { Effect, FileSystem, Layer, Stream } from "effect"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { dead } from "../support/processes.ts"
import { detail, id, json, serve } from "../support/wire.ts"

// The duration of real processes and requests depends on the machine.
vi.setConfig({ testTimeout: 60_000 })

const isolationOf = <E>(layer: Layer.Layer<Sandboxes.Sandboxes | E2bServer.E2bServer, E>) =>
  Effect.gen(function* () {
    const sandboxes = yield* Sandboxes.Sandboxes
    const server = yield* E2bServer.E2bServer
    assert.strictEqual(sandboxes.provider, "local")
    return [sandboxes.isolation, server.isolation]
  }).pipe(Effect.provide(layer))

it.live("reports waived isolation when none was requested", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* isolationOf(LocalSandboxes.layer({ isolation: "none" })), [
      "waived",
      "none"
    ])
  })
)

it.live("chooses the best isolation, and reports when there is none", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(
      yield* isolationOf(LocalSandboxes.layer()),
      best === "none" ? ["missing", "none"] : ["isolated", best]
    )
  })
)

describeWhere(broken !== undefined, "every isolation works here")("an isolation", () => {
  it.live("is refused where it does not work", () =>
    Effect.gen(function* () {
      const { operation, reason } = yield* Effect.flip(
        isolationOf(LocalSandboxes.layer({ isolation: broken }))
      )
      assert.strictEqual(operation, "start")
      assert.strictEqual(reason._tag, "IsolationUnavailable")
    })
  )
})

it.live("uses the isolation of the configuration", () =>
  Effect.gen(function* () {
    const layer = LocalSandboxes.layerConfig.pipe(
      Layer.provide(RemoteAgentConfig.layerFrom({ REMOTE_AGENT_ISOLATION: "none" }))
    )
    assert.deepStrictEqual(yield* isolationOf(layer), ["waived", "none"])
  })
)

it.live("refuses a directory that is a file", () =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const directory = yield* files.makeTempFileScoped()
    const layer = LocalSandboxes.layer({ isolation: "none", directory })
    const { operation, reason } = yield* Effect.flip(isolationOf(layer))
    assert.strictEqual(operation, "start")
    assert.strictEqual(reason._tag, "InvalidRequest")
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)

it.live("leaves no process and no folder at its end", () =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const directory = yield* files.makeTempDirectoryScoped()
    const running = yield* Effect.gen(function* () {
      const sandbox = yield* (yield* Sandboxes.Sandboxes).launch({ ttl: "10 minutes" })
      const { stdout } = yield* sandbox.exec({
        script: "nohup sleep 600 >/dev/null 2>&1 </dev/null & echo $!"
      })
      assert.isAbove((yield* files.readDirectory(directory)).length, 0)
      return Number(stdout)
    }).pipe(Effect.provide(LocalSandboxes.layer({ isolation: "none", directory })))
    assert.deepStrictEqual(yield* files.readDirectory(directory), [])
    assert.deepStrictEqual(yield* dead([running]), [])
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)

it.effect("the E2B layer from the configuration names the missing key", () =>
  Effect.gen(function* () {
    const layer = E2bSandboxes.layerConfig.pipe(Layer.provide(RemoteAgentConfig.layerFrom({})))
    const { problems } = yield* Effect.flip(Effect.provide(Sandboxes.Sandboxes, layer))
    assert.deepStrictEqual(
      problems.map(({ name }) => name),
      ["E2B_API_KEY"]
    )
  })
)

it.live("the E2B layer from the configuration uses its key and address", () =>
  Effect.gen(function* () {
    const { arrived, url } = yield* serve(() => json(200, [detail("running")]))
    const layer = E2bSandboxes.layerConfig.pipe(
      Layer.provide(RemoteAgentConfig.layerFrom({ E2B_API_KEY: "e2b_fake_key", E2B_API_URL: url }))
    )
    const { isolation, list, provider } = yield* Effect.provide(Sandboxes.Sandboxes, layer)
    assert.deepStrictEqual([provider, isolation], ["e2b", "isolated"])
    assert.deepStrictEqual(
      (yield* Stream.runCollect(list())).map((info) => info.id),
      [id]
    )
    assert.strictEqual(arrived[0]?.headers["x-api-key"], "e2b_fake_key")
  })
)
