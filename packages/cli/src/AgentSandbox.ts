import { type Agent, Config } from "@remote-agent/domain"
import { Heartbeat, Orchestrator } from "@remote-agent/orchestrator"
import { type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Duration, Effect, type Scope } from "effect"
import { type Failure, NotFound } from "./Failure.ts"
import * as Named from "./Named.ts"

/** An agent, and where it lives. */
export interface AgentSandbox {
  readonly agent: Agent.Agent
  readonly sandbox: Sandbox.Sandbox
}

/**
 * The sandbox of the agent that somebody means, woken if it sleeps and kept alive until the scope closes. Fails with
 * `NotFound` when the agent has none, beside what `Named.agent` fails with.
 */
export const open = Effect.fn("AgentSandbox.open")(function* (
  name: string
): Effect.fn.Return<
  AgentSandbox,
  Failure,
  Config.Config | Orchestrator.Orchestrator | Sandboxes.Sandboxes | Scope.Scope
> {
  const [config, orchestrator, sandboxes] = yield* Effect.all([
    Config.Config,
    Orchestrator.Orchestrator,
    Sandboxes.Sandboxes
  ])
  const agent = yield* Named.agent(name)
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
  yield* Effect.forkScoped(Heartbeat.keep(sandboxes, sandbox.id, life))
  const opened: AgentSandbox = { agent, sandbox }
  return opened
})
