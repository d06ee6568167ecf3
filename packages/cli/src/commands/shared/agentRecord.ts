import type { Agent, Id } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type { Failure } from "../../ui/Failure.ts"

/** Changes the record of an agent, and tries again when another process changed it at the same time. */
export const updateRecord = Effect.fnUntraced(function* (
  id: Id.AgentId,
  change: (agent: Agent.Agent) => Agent.Agent
): Effect.fn.Return<Agent.Agent, Failure, StateStore.StateStore> {
  const { getAgent, updateAgent } = yield* StateStore.StateStore
  return yield* Effect.flatMap(getAgent(id), (agent) => updateAgent(change(agent))).pipe(
    Effect.retry({ times: 10, while: (error) => error.isRetryable })
  )
})
