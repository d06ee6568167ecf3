/**
 * One agent answers two queries and reports its events. The agent is terminated when the scope closes: on success, on
 * failure and on Ctrl-C.
 */
import { runMain } from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Stream } from "effect"
import { AgentEvent, layer, RemoteAgent } from "remote-agent/local"

const program = Effect.gen(function* () {
  const remoteAgent = yield* RemoteAgent
  const agent = yield* remoteAgent.agents.launchScoped({ labels: { purpose: "example" } })
  yield* Console.log(`${agent.record.profile} agent is ${agent.record.status}`)

  yield* agent
    .stream("Compare Apple and Microsoft net margin in 2024")
    .pipe(
      Stream.runForEach(({ event, seq }) =>
        Console.log(`${seq} ${event.type}: ${AgentEvent.describe(event)}`)
      )
    )

  const { answer, usage } = yield* agent.query("What was Tesla's revenue in 2024?")
  yield* Console.log(`${answer}\n(${usage.inputTokens} tokens in, ${usage.outputTokens} tokens out)`)
}).pipe(Effect.scoped)

runMain(Effect.provide(program, layer()))
