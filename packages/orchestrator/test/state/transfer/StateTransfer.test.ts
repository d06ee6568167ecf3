import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig } from "@remote-agent/domain"
import {
  AgentRuntime,
  LaunchIntents,
  Leases,
  MemoryStateStore,
  Orchestrator,
  Profiles,
  Reaper,
  StateStore
} from "@remote-agent/orchestrator"
import { MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Layer, Stream } from "effect"
import { readFile, writeFile } from "node:fs/promises"
import { newPath } from "../../support/storeSupport.ts"
import { answers, layer, nothingLeft, tiny } from "../../support/support.ts"
import { byId } from "../../support/byId.ts"

/** Another installation, with a state and an owner of its own, over the same provider. */
const elsewhere = Effect.fnUntraced(function* <A, E, R>(use: Effect.Effect<A, E, R>) {
  const { leases, store } = yield* MemoryStateStore.make
  const sandboxes = yield* Sandboxes.Sandboxes
  return yield* Effect.provide(
    use,
    Layer.fresh(
      Layer.merge(Orchestrator.layerNoDeps, Reaper.layer).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            Layer.succeed(StateStore.StateStore, store),
            Layer.succeed(Leases.Leases, leases),
            Layer.succeed(Sandboxes.Sandboxes, sandboxes),
            AgentRuntime.layer,
            LaunchIntents.layerMemory,
            Profiles.layerFrom([tiny]),
            RemoteAgentConfig.layerFrom({ REMOTE_AGENT_PROFILE: "tiny", REMOTE_AGENT_OWNER: "elsewhere" })
          )
        )
      )
    )
  )
})

const states = Effect.flatMap(MemorySandboxes.Ledger, ({ alive }) =>
  Effect.map(alive, (all) => all.map(({ state }) => state))
)

describe("Orchestrator.exportState and importState", () => {
  it.effect("hand agents over whose sandboxes live, which can be used there and are never reaped", () =>
    Effect.gen(function* () {
      const here = yield* byId
      const [kept, gone] = [yield* here.launch(), yield* here.launch()]
      yield* here.query(kept.id, "why?", { session: "s" })
      assert(gone.binding !== undefined)
      yield* (yield* Sandboxes.Sandboxes).terminate(gone.binding.sandboxId)
      const file = `${yield* newPath}.json`
      assert.deepStrictEqual(yield* here.state.export(file), { pools: 0, agents: 2, queries: 1, events: 2 })
      yield* elsewhere(
        Effect.gen(function* () {
          const there = yield* byId
          const { agents, queries } = yield* there.state.import(file)
          assert.deepStrictEqual(agents.map(({ outcome }) => outcome).toSorted(), ["imported", "lost"])
          assert.strictEqual(queries, 1)
          const reaper = yield* Reaper.Reaper
          const { entries } = yield* reaper.reap({
            grace: 0,
            createDeadline: 0,
            retention: 0,
            removePaused: true
          })
          assert.deepStrictEqual(
            entries.map(({ decision, outcome }) => `${decision.rule} ${outcome}`),
            ["not-seen left"]
          )
          assert.isTrue((yield* there.query(kept.id, "and now?")).ok)
          yield* there.pause(kept.id)
          assert.deepStrictEqual(yield* states, ["paused"])
          assert.isTrue((yield* there.query(kept.id, "awake?")).ok)
          assert.lengthOf(yield* Stream.runCollect(there.list()), 2)
          assert.strictEqual((yield* there.terminate(kept.id)).status, "terminated")
        })
      )
      assert.deepStrictEqual(yield* nothingLeft, { alive: 0, commands: 0 })
      // Whoever had it before finds out like of any other sandbox that is gone.
      assert.strictEqual((yield* Effect.flip(here.query(kept.id, "why?"))).reason._tag, "AgentLost")
    }).pipe(Effect.scoped, Effect.provide(layer({ settings: { REMOTE_AGENT_OWNER: "here" } })))
  )

  it.effect("leave the secrets of the configuration out", () =>
    Effect.gen(function* () {
      const here = yield* byId
      const { id } = yield* here.launch()
      yield* here.query(id, "is it fake-key-of-e2b?")
      const file = `${yield* newPath}.json`
      yield* here.state.export(file)
      const text = yield* Effect.promise(() => readFile(file, "utf8"))
      assert.include(text, "is it ***?")
      assert.notInclude(text, "fake-key-of")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        layer({
          settings: { E2B_API_KEY: "fake-key-of-e2b", GITHUB_WEBHOOK_SECRET: "fake-key-of-hooks" },
          answer: () => answers("it is fake-key-of-hooks")
        })
      )
    )
  )

  it.effect("name every problem of a file, and take nothing of it", () =>
    Effect.gen(function* () {
      const here = yield* byId
      const file = `${yield* newPath}.json`
      const missing = yield* Effect.flip(here.state.import(file))
      assert.deepStrictEqual([missing.operation, missing.reason._tag], ["importState", "StoreFailed"])
      const { id } = yield* here.launch()
      yield* here.state.export(file)
      const text = yield* Effect.promise(() => readFile(file, "utf8"))
      yield* Effect.promise(() => writeFile(file, text.replace('"active"', '"awake"').replace(id, "agt_x")))
      yield* elsewhere(
        Effect.gen(function* () {
          const there = yield* byId
          const { reason } = yield* Effect.flip(there.state.import(file))
          assert(reason._tag === "StoreFailed")
          assert(reason.cause.reason._tag === "InvalidDocument")
          assert.deepStrictEqual(
            reason.cause.reason.problems.map(({ path }) => path),
            ["agents[0].id", "agents[0].status"]
          )
          assert.deepStrictEqual(yield* Stream.runCollect(there.list()), [])
        })
      )
      const elsewhereToo = yield* Effect.flip(here.state.export(`${file}/not-a-folder`))
      assert.strictEqual(elsewhereToo.reason._tag, "StoreFailed")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
