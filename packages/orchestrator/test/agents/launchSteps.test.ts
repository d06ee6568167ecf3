import { assert, describe, it } from "@effect/vitest"
import { OrchestratorError } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { MemorySandboxes } from "@remote-agent/sandbox"
import { Effect, Stream } from "effect"
import { exit, layer, makeLog, nothing, nothingLeft, out } from "../support/support.ts"

const broken = () => Stream.make(out("npm error 404 the-token is not a package\n"), exit(7))

describe("the steps of a launch", () => {
  it.effect("run in the order in which the stages are documented", () =>
    Effect.gen(function* () {
      const { agents } = yield* Orchestrator.Orchestrator
      const stages = yield* makeLog<OrchestratorError.LaunchStage>()
      yield* agents.launch({ onStage: stages.tell })
      const documented = OrchestratorError.LaunchStage.literals
      // Without a repository there is nothing to clone.
      assert.deepStrictEqual(
        yield* stages.all,
        documented.filter((stage) => stage !== "repository")
      )
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "a setup that fails names its stage and its program, and shows the end of its output without secrets",
    () =>
      Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        const { message, reason } = yield* Effect.flip(agents.launch({ env: { A_TOKEN: "the-token" } }))
        assert(reason._tag === "LaunchFailed" && reason.cause._tag === "CommandFailed")
        assert.strictEqual(reason.stage, "setup")
        assert.strictEqual(reason.cause.output, "npm error 404 *** is not a package")
        assert.include(message, "prepare ended with exit code 7")
        assert.include(message, "npm error 404 *** is not a package")
        assert.deepStrictEqual(yield* nothingLeft, nothing)
      }).pipe(Effect.provide(layer({ prepare: broken })))
  )

  it.effect(
    "the sandbox of a failed launch is kept where the caller asks for it, until the agent is terminated",
    () =>
      Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        const ledger = yield* MemorySandboxes.Ledger
        yield* Effect.flip(Effect.scoped(agents.launchScoped({ keepFailed: true })))
        yield* Effect.flip(agents.launch({ keepFailed: true }))
        assert.lengthOf(yield* ledger.alive, 2)
        const failed = yield* Stream.runCollect(agents.list({ status: "failed" }))
        assert.strictEqual(failed.filter(({ binding }) => binding !== undefined).length, 2)
        yield* Effect.forEach(failed, (agent) => agents.of(agent).terminate)
        assert.deepStrictEqual(yield* nothingLeft, nothing)
      }).pipe(Effect.provide(layer({ prepare: broken })))
  )
})
