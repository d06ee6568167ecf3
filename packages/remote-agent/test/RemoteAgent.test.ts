import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Stream } from "effect"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as E2b from "../src/e2b.ts"
import * as Library from "../src/index.ts"
import * as Local from "../src/local.ts"
import * as Memory from "../src/memory.ts"
import * as Testing from "../src/testing.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "remote-agent-facade-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

describe("The layers of the library", () => {
  it.effect("local runs the sample agent and leaves no sandbox", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const answer = yield* Effect.gen(function* () {
        const remoteAgent = yield* Local.RemoteAgent
        return yield* remoteAgent.queries.ask("Tesla revenue 2024")
      }).pipe(Effect.scoped, Effect.provide(Local.layer({ directory })))
      assert.include(answer.answer, "$97,690 million")
      const left = (yield* Effect.promise(() => readdir(directory))).filter((name) => !name.startsWith("."))
      assert.deepStrictEqual(left, [])
    })
  )

  it.effect("a state in a file is there for the next program, and keeps its owner", () =>
    Effect.gen(function* () {
      const state = join(yield* folder, "agents.sqlite")
      const owner = Effect.map(
        Library.RemoteAgentConfig.RemoteAgentConfig,
        ({ REMOTE_AGENT_OWNER }) => REMOTE_AGENT_OWNER
      )
      const first = yield* Effect.gen(function* () {
        const remoteAgent = yield* Library.RemoteAgent
        yield* remoteAgent.queries.ask("Tesla revenue 2024")
        return yield* owner
      }).pipe(Effect.scoped, Effect.provide(Local.layer({ state })))
      const [second, agents] = yield* Effect.gen(function* () {
        const remoteAgent = yield* Library.RemoteAgent
        return [yield* owner, yield* Stream.runCollect(remoteAgent.agents.list())] as const
      }).pipe(Effect.provide(Local.layer({ state })))
      assert.strictEqual(second, first)
      assert.deepStrictEqual(
        agents.map(({ status }) => status),
        ["terminated"]
      )
    })
  )

  it.effect("settings win over the environment, and profiles are added to the built-in ones", () =>
    Effect.gen(function* () {
      const { REMOTE_AGENT_OWNER } = yield* Library.RemoteAgentConfig.RemoteAgentConfig
      assert.strictEqual(REMOTE_AGENT_OWNER, "tests")
      const { list } = yield* Library.Profiles.Profiles
      assert.include(
        list.map(({ name }) => name),
        "sample"
      )
      assert.deepStrictEqual(yield* (yield* Memory.MemorySandboxes.Ledger).alive, [])
    }).pipe(Effect.provide(Memory.layer({ settings: { REMOTE_AGENT_OWNER: "tests" } })))
  )

  it.effect("memory does not read the environment", () =>
    Effect.gen(function* () {
      const keyOf = Effect.map(
        Library.RemoteAgentConfig.RemoteAgentConfig,
        ({ OPENAI_API_KEY }) => OPENAI_API_KEY
      )
      const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({ OPENAI_API_KEY: "sk-not-a-key" }))
      assert.isUndefined(yield* Effect.provide(keyOf, Layer.provide(Memory.layer(), environment)))
      assert.isDefined(
        yield* Effect.provide(
          keyOf,
          Layer.provide(E2b.layer({ settings: { E2B_API_KEY: "e2b_x" } }), environment)
        )
      )
    })
  )

  it.effect("a location that cannot hold a state is told with what is expected", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.provide(Library.RemoteAgent, Memory.layer({ state: "mysql://host/database" }))
      )
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, "postgres://")
    })
  )

  it.effect("e2b names the key that is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.provide(Library.RemoteAgent, E2b.layer({ settings: { E2B_API_KEY: "" } }))
      )
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, "E2B_API_KEY")
    })
  )
})

describe("The test helpers of the library", () => {
  it("has the conformance suites and the fakes", () => {
    assert.isAbove(Testing.SandboxConformance.cases.length, 10)
    assert.isFunction(Testing.DeliveriesConformance.cases)
    assert.isFunction(Testing.GitHubMemory.make)
  })
})
