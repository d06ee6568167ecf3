/** An agent for a single query. If there is no answer, the reason of the error explains why. */
import { runMain } from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Stream } from "effect"
import { layer, RemoteAgent, Sandboxes } from "remote-agent/local"

const research = Effect.fn("research")(function* (question: string) {
  const { queries } = yield* RemoteAgent
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

runMain(Effect.provide(program, layer()))
