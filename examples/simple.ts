/**
 * One agent, two questions, and what it does while it answers. The agent ends with the scope: on success, on failure,
 * and on Ctrl-C.
 */
import { runMain } from "@effect/platform-node/NodeRuntime"
import { AgentEvent, RemoteAgentConfig } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { Console, Effect, Layer, Stream } from "effect"

const program = Effect.gen(function* () {
  const orchestrator = yield* Orchestrator.Orchestrator
  const agent = yield* orchestrator.agents.launchScoped({ labels: { purpose: "example" } })
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

const layer = Orchestrator.layer.pipe(
  Layer.provide(LocalSandboxes.layer()),
  Layer.provide(RemoteAgentConfig.layer)
)

runMain(Effect.provide(program, layer))
