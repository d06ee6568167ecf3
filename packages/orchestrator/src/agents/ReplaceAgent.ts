import { Agent, AgentLifecycle, type Id, OrchestratorError } from "@remote-agent/domain"
import type { GitWorkspace } from "@remote-agent/github"
import { Sandboxes } from "@remote-agent/sandbox"
import { Effect, type Option, Result } from "effect"
import * as AgentStore from "../state/AgentStore.ts"
import { StateStore } from "../state/StateStore.ts"
import * as AgentRepository from "./AgentRepository.ts"
import type { AgentSandboxes } from "./AgentSandboxes.ts"
import { onExpiry, type ReplaceOptions } from "./AgentSpec.ts"
import type { LaunchAgent } from "./LaunchAgent.ts"

type Failure = OrchestratorError.OrchestratorError

/** Gives an agent that was lost or has failed a new sandbox. */
export type ReplaceAgent = (id: Id.AgentId, options?: ReplaceOptions) => Effect.Effect<Agent.Agent, Failure>

/** An agent without a sandbox, and without the conversations that were kept in it. */
const emptied = (agent: Agent.Agent) => {
  const { binding: _, sessions: _1, sessionTotals: _2, ...rest } = agent
  return new Agent.Agent(rest)
}

/** Replaces the sandboxes of the agents of a store. */
export const make: (
  agentSandboxes: AgentSandboxes,
  launchAgent: LaunchAgent,
  git: Option.Option<GitWorkspace.GitWorkspace["Service"]>
) => Effect.Effect<ReplaceAgent, never, AgentStore.AgentStore | Sandboxes.Sandboxes | StateStore> =
  Effect.fnUntraced(function* (
    agentSandboxes: AgentSandboxes,
    launchAgent: LaunchAgent,
    git: Option.Option<GitWorkspace.GitWorkspace["Service"]>
  ) {
    const [sandboxes, store] = yield* Effect.all([Sandboxes.Sandboxes, StateStore])
    const { change, move } = yield* AgentStore.AgentStore

    const replace: ReplaceAgent = Effect.fn("Orchestrator.replace")(function* (id, options = {}) {
      const agent = yield* AgentStore.stored("replace", store.getAgent(id))
      const { allowInternetAccess, persistent, profile, repository, status, ttl } = agent
      if (Result.isFailure(AgentLifecycle.transition(status, "replaced"))) {
        return yield* AgentStore.failure("replace", new OrchestratorError.AgentNotReady({ id, status }))
      }
      if (repository !== undefined) yield* AgentRepository.required("replace", git, repository)
      // A launch that failed may have left a sandbox that could not be terminated.
      const before = yield* AgentStore.bindingOf("replace", agent, sandboxes.provider)
      if (before !== undefined) {
        yield* Effect.mapError(sandboxes.terminate(before.sandboxId), AgentStore.fromSandbox("replace"))
      }
      // The files of its conversations were in the sandbox.
      yield* AgentStore.stored("replace", change(id, emptied))
      agentSandboxes.forget(id)
      return yield* launchAgent({
        id,
        spec: { ...options, profile, ttl, allowInternetAccess, repository, onExpiry: onExpiry(persistent) },
        enter: () => move(id, "replaced"),
        hold: () => Effect.succeed(false),
        keepsSetup: true
      })
    })
    return replace
  })
