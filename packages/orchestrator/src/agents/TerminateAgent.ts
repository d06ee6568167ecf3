import { Agent, AgentLifecycle, type Id, type OrchestratorError } from "@remote-agent/domain"
import { Sandboxes } from "@remote-agent/sandbox"
import { DateTime, Effect } from "effect"
import * as AgentStore from "../state/AgentStore.ts"
import { StateStore } from "../state/StateStore.ts"
import type { AgentSandboxes } from "./AgentSandboxes.ts"

type Failure = OrchestratorError.OrchestratorError

/** Terminates agents. */
export interface TerminateAgent {
  /** Terminates an agent and its sandbox. Succeeds when it is terminated already. */
  readonly terminate: (id: Id.AgentId) => Effect.Effect<Agent.Agent, Failure>
  /**
   * Terminates the sandbox of an agent whose scope has closed. An agent that failed or was lost keeps its status, which
   * tells why. Never fails.
   */
  readonly release: (id: Id.AgentId, keepFailed: boolean) => Effect.Effect<void>
}

/** Terminates the agents of a store. */
export const make = Effect.fnUntraced(function* (
  agentSandboxes: AgentSandboxes
): Effect.fn.Return<TerminateAgent, never, AgentStore.AgentStore | Sandboxes.Sandboxes | StateStore> {
  const [sandboxes, store] = yield* Effect.all([Sandboxes.Sandboxes, StateStore])
  const { change, move } = yield* AgentStore.AgentStore

  const terminate = Effect.fn("Orchestrator.terminate")(function* (id: Id.AgentId) {
    const agent = yield* AgentStore.stored("terminate", store.getAgent(id))
    const binding = yield* AgentStore.bindingOf("terminate", agent, sandboxes.provider)
    if (binding !== undefined) {
      // Noted before the sandbox is gone, so that another process that uses it does not take the agent for lost.
      if (AgentLifecycle.mayHoldSandbox(agent.status)) {
        const now = yield* DateTime.now
        yield* Effect.catch(
          change(id, (was) => new Agent.Agent({ ...was, endRequestedAt: was.endRequestedAt ?? now })),
          (error) => Effect.logWarning("The termination of an agent could not be announced", error)
        )
      }
      yield* Effect.mapError(sandboxes.terminate(binding.sandboxId), AgentStore.fromSandbox("terminate"))
    }
    agentSandboxes.forget(id)
    return yield* AgentStore.stored("terminate", move(id, "terminated"))
  })

  const release: TerminateAgent["release"] = (id, keepFailed) =>
    AgentStore.stored("terminate", store.getAgent(id)).pipe(
      Effect.flatMap(({ binding, status }) =>
        (binding === undefined && !AgentLifecycle.mayHoldSandbox(status)) ||
        (keepFailed && status === "failed")
          ? Effect.void
          : terminate(id)
      ),
      Effect.catchReason("OrchestratorError", "AgentNotFound", () => Effect.void),
      Effect.catch((error) => Effect.logError("The sandbox of an agent may still be running", error))
    )

  return { terminate, release }
})
