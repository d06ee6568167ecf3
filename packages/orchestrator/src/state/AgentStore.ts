import {
  Agent,
  Id,
  type Lease,
  AgentLifecycle,
  OrchestratorError,
  type SandboxError,
  type StateStoreError
} from "@remote-agent/domain"
import { Effect, Result, Schema } from "effect"
import type { StateStore } from "./StateStore.ts"

/** A failure of the orchestrator. */
export const failure = (operation: string, reason: OrchestratorError.Reason) =>
  new OrchestratorError.OrchestratorError({ operation, reason })

const isAgentId = Schema.is(Id.AgentId)
const isQueryId = Schema.is(Id.QueryId)

/** The lease that whoever works with an agent has. */
export const resourceOf = (id: Id.AgentId): string => `agent/${id}`

/** Names the operation in which a store failed, and says which agent or query there is none of, or was taken over. */
export const fromStore =
  (operation: string) =>
  (cause: StateStoreError.StateStoreError): OrchestratorError.OrchestratorError => {
    const { reason } = cause
    if (reason._tag === "NotFound" && isAgentId(reason.id)) {
      return failure(operation, new OrchestratorError.AgentNotFound({ id: reason.id }))
    }
    if (reason._tag === "NotFound" && isQueryId(reason.id)) {
      return failure(operation, new OrchestratorError.QueryNotFound({ id: reason.id }))
    }
    if (reason._tag === "Fenced" || reason._tag === "LeaseLost") {
      const id = reason.resource.slice("agent/".length)
      if (isAgentId(id)) return failure(operation, new OrchestratorError.TakenOver({ id }))
    }
    return failure(operation, new OrchestratorError.StoreFailed({ cause }))
  }

/** Has an effect of the store fail as {@link fromStore} says. */
export const stored = <A, R>(
  operation: string,
  effect: Effect.Effect<A, StateStoreError.StateStoreError, R>
) => Effect.mapError(effect, fromStore(operation))

/** The binding of an agent, if there is one. Fails with `OtherProvider` when it is not of the provider that is worked with. */
export const bindingOf = (
  operation: string,
  { binding, id }: Agent.Agent,
  here: string
): Effect.Effect<Agent.Binding | undefined, OrchestratorError.OrchestratorError> =>
  binding === undefined || binding.provider === here
    ? Effect.succeed(binding)
    : Effect.fail(
        failure(operation, new OrchestratorError.OtherProvider({ id, provider: binding.provider, here }))
      )

/** Names the operation in which a sandbox failed. */
export const fromSandbox = (operation: string) => (cause: SandboxError.SandboxError) =>
  failure(operation, new OrchestratorError.SandboxFailed({ cause }))

/** When somebody else wrote a record in between: read it again and decide anew. */
export const startOver = {
  times: 10,
  while: (error: StateStoreError.StateStoreError) => error.isRetryable
}

/** Changes the records of agents. */
export const make = (store: StateStore["Service"]) => {
  /** Reads, changes and writes a record; starts over when somebody else wrote it in between. */
  const change = Effect.fnUntraced(function* (
    id: Id.AgentId,
    next: (agent: Agent.Agent) => Agent.Agent,
    fence?: Lease.Fence
  ) {
    return yield* store.updateAgent(next(yield* store.getAgent(id)), fence)
  }, Effect.retry(startOver))

  /**
   * Lets something happen to an agent, unless it cannot any more: whoever ended it meanwhile has the last word. One
   * whose sandbox is gone while somebody ends it is not lost.
   */
  const move = (id: Id.AgentId, event: AgentLifecycle.LifecycleEvent, detail?: string, fence?: Lease.Fence) =>
    change(
      id,
      (agent) => {
        const isMeant = event === "sandboxGone" && agent.endRequestedAt !== undefined
        const next = AgentLifecycle.transition(agent.status, isMeant ? "terminated" : event)
        if (Result.isFailure(next)) return agent
        const status = next.success
        const { binding, detail: _, endRequestedAt, ...rest } = agent
        const ends = status === "terminated" || event === "replaced" ? undefined : endRequestedAt
        return new Agent.Agent({
          ...rest,
          status,
          ...(binding === undefined || status === "terminated" || status === "lost" ? {} : { binding }),
          ...(detail === undefined || isMeant ? {} : { detail }),
          ...(ends === undefined ? {} : { endRequestedAt: ends })
        })
      },
      fence
    )

  const unbind = (id: Id.AgentId) =>
    change(id, (agent) => {
      const { binding: _, ...rest } = agent
      return new Agent.Agent(rest)
    })

  return { change, move, unbind }
}
