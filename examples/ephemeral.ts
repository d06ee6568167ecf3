/** An agent for one question. Why there is no answer is told by the reason of the error. */
import { runMain } from "@effect/platform-node/NodeRuntime"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Console, Effect, Layer, Stream } from "effect"

const research = Effect.fn("research")(function* (question: string) {
  const { queries } = yield* Orchestrator.Orchestrator
  const { answer } = yield* queries.ask(question, { timeout: "1 minute" })
  return answer
}, Effect.scoped)

const patient = (question: string) =>
  research(question).pipe(
    Effect.catchReason("OrchestratorError", "QueryFailed", ({ result }) =>
      Effect.succeed(`no answer (${result.outcome}): ${result.error ?? ""}`)
    ),
    Effect.tap(Console.log)
  )

const program = Effect.gen(function* () {
  yield* patient("What was Meta's revenue from 2021 to 2024?")
  yield* patient("What is love?")
  const { list } = yield* Sandboxes.Sandboxes
  yield* Console.log(`Sandboxes left: ${yield* Stream.runCount(list())}`)
})

const layer = Orchestrator.layer.pipe(
  Layer.provideMerge(LocalSandboxes.layer()),
  Layer.provide(RemoteAgentConfig.layer)
)

runMain(Effect.provide(program, layer))
