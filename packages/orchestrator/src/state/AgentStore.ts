import {
  Agent,
  Id,
  type Lease,
  AgentLifecycle,
  OrchestratorError,
  type SandboxError,
  type StateStoreError
} from "@remote-agent/domain"
import { Context, Effect, Layer, Result, Schema } from "effect"
import { StateStore } from "./StateStore.ts"

/**
 * Makes a failure of the orchestrator.
 *
 * @category errors
 * @since 0.1.0
 */
export const failure = (operation: string, reason: OrchestratorError.Reason) =>
  new OrchestratorError.OrchestratorError({ operation, reason })

const isAgentId = Schema.is(Id.AgentId)
const isQueryId = Schema.is(Id.QueryId)
const isRunId = Schema.is(Id.RunId)

/**
 * The resource of the lease on an agent. The holder of the lease may work with the agent.
 *
 * @category leases
 * @since 0.1.0
 */
export const resourceOf = (id: Id.AgentId): string => `agent/${id}`

/**
 * Turns a failure of the store into one of the orchestrator. A missing agent or query and a lost lease get their own reasons.
 *
 * @category errors
 * @since 0.1.0
 */
export const fromStore =
  (operation: string) =>
  (cause: StateStoreError.StateStoreError): OrchestratorError.OrchestratorError => {
    const { reason } = cause
    if (reason._tag === "NotFound" && isAgentId(reason.id)) {
      return failure(operation, new OrchestratorError.AgentNotFound({ id: reason.id }))
    }
    if (reason._tag === "NotFound" && isRunId(reason.id)) {
      return failure(operation, new OrchestratorError.RunNotFound({ id: reason.id }))
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

/**
 * Maps the failures of an effect with {@link fromStore}.
 *
 * @category errors
 * @since 0.1.0
 */
export const stored = <A, R>(
  operation: string,
  effect: Effect.Effect<A, StateStoreError.StateStoreError, R>
) => Effect.mapError(effect, fromStore(operation))

/**
 * Returns the binding of an agent, if it has one. Fails with `OtherProvider` when its sandbox belongs to another provider
 * than `here`.
 *
 * @category access
 * @since 0.1.0
 */
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

/**
 * Turns a failure of a sandbox into one of the orchestrator.
 *
 * @category errors
 * @since 0.1.0
 */
export const fromSandbox = (operation: string) => (cause: SandboxError.SandboxError) =>
  failure(operation, new OrchestratorError.SandboxFailed({ cause }))

/**
 * Retries a change whose record was written in between: it reads the record again.
 *
 * @category errors
 * @since 0.1.0
 */
export const startOver = {
  times: 10,
  while: (error: StateStoreError.StateStoreError) => error.isRetryable
}

/**
 * Changes the records of agents.
 *
 * @category services
 * @since 0.1.0
 */
export class AgentStore extends Context.Service<
  AgentStore,
  {
    /**
     * Reads, changes and writes a record, and repeats that when the record was written in between. A record in the
     * place of the id is changed as it is, and read only when it was written since.
     */
    readonly change: (
      target: Id.AgentId | Agent.Agent,
      next: (agent: Agent.Agent) => Agent.Agent,
      fence?: Lease.Fence
    ) => Effect.Effect<Agent.Agent, StateStoreError.StateStoreError>
    /**
     * Applies an event of the lifecycle to an agent. Changes nothing when its status does not allow the event any more.
     * An agent that is being terminated is terminated, and not lost, when its sandbox is gone.
     */
    readonly move: (
      id: Id.AgentId,
      event: AgentLifecycle.LifecycleEvent,
      detail?: string,
      fence?: Lease.Fence
    ) => Effect.Effect<Agent.Agent, StateStoreError.StateStoreError>
    /** Removes the binding of an agent. */
    readonly unbind: (id: Id.AgentId) => Effect.Effect<Agent.Agent, StateStoreError.StateStoreError>
  }
>()("@remote-agent/orchestrator/AgentStore") {}

/**
 * Makes the service over the current store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<AgentStore["Service"], never, StateStore> = Effect.map(
  StateStore,
  (store) => {
    const change: AgentStore["Service"]["change"] = (target, next, fence) => {
      const id = typeof target === "string" ? target : target.id
      const written = (read: ReturnType<typeof store.getAgent>) =>
        Effect.flatMap(read, (agent) => store.updateAgent(next(agent), fence))
      const again = Effect.retry(written(store.getAgent(id)), startOver)
      return typeof target === "string"
        ? again
        : Effect.catchReason(
            written(Effect.succeed(target)),
            "StateStoreError",
            "RevisionConflict",
            () => again
          )
    }

    const move = (
      id: Id.AgentId,
      event: AgentLifecycle.LifecycleEvent,
      detail?: string,
      fence?: Lease.Fence
    ) =>
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

    return AgentStore.of({ change, move, unbind })
  }
)

/**
 * The service over the current store.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<AgentStore, never, StateStore> = Layer.effect(AgentStore, make)
