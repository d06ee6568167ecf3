import { type Agent, RemoteAgentConfig } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { KeepAlive, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Duration, Effect, type Scope } from "effect"
import * as App from "./App.ts"
import { type Environment, type Failure, NotFound } from "../ui/Failure.ts"
import * as Provider from "./agentProvider.ts"

/** An agent, and where it lives. */
export interface AgentSandbox {
  readonly agent: Agent.Agent
  readonly sandbox: Sandbox.Sandbox
}

/** The sandbox of an agent, woken if it sleeps and kept alive until the scope closes. */
const open = Effect.fnUntraced(function* (agent: Agent.Agent) {
  const [config, orchestrator, sandboxes] = yield* Effect.all([
    RemoteAgentConfig.RemoteAgentConfig,
    Orchestrator.Orchestrator,
    Sandboxes.Sandboxes
  ])
  const { binding, id, status } = agent
  if (binding === undefined || (status !== "active" && status !== "paused")) {
    return yield* new NotFound({
      message: `Agent ${agent.name} is ${status} and has no sandbox to work in. See \`remote-agent list\`.`
    })
  }
  // Waits for a query that is being answered, so it is asked of an agent only that answers none.
  if (status === "paused") yield* orchestrator.resume(id)
  const life = Duration.fromInputUnsafe(agent.ttl ?? config.E2B_DEFAULT_TIMEOUT)
  const { sandbox } = yield* sandboxes.connect(binding.sandboxId, life)
  yield* Effect.forkScoped(KeepAlive.keep(sandboxes, sandbox.id, life))
  return sandbox
})

/**
 * Does something in the sandbox of the agent that somebody means, which is woken if it sleeps and kept alive until it
 * is done. Fails with `NotFound` when the agent has none, beside what `Provider.find` fails with.
 */
export const use = <A, E, R>(
  flags: App.AppFlags,
  name: string,
  work: (opened: AgentSandbox) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Failure, Exclude<Exclude<R, Scope.Scope>, App.Durable> | Environment> =>
  Effect.gen(function* () {
    const [agent, there] = yield* Provider.find(flags, name)
    const working = Effect.flatMap(open(agent), (sandbox) => work({ agent, sandbox }))
    return yield* Effect.provide(Effect.scoped(working), App.durable(there))
  })
