import {
  Agent,
  type Id,
  type AgentLifecycle,
  ReapPlan,
  type SandboxError,
  SandboxLabels,
  type StateStoreError
} from "@remote-agent/domain"
import type { Sandboxes } from "@remote-agent/sandbox"
import { DateTime, Effect, Option, Stream } from "effect"
import type { LaunchIntents } from "../state/LaunchIntents.ts"
import type { StateStore } from "../state/StateStore.ts"

/**
 * Checks and carries out the decisions of the reaper one at a time.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReaperExecutor {
  /** Whether the provider confirms that the sandbox does not exist. Fails when the provider does not answer. */
  readonly isGone: (id: Id.SandboxId) => Effect.Effect<boolean, SandboxError.SandboxError>
  /** Carries out the decisions of a plan, and returns for each whether it still held. */
  readonly carryOut: (
    facts: ReapPlan.Facts
  ) => (
    decision: ReapPlan.Decision
  ) => Effect.Effect<boolean, SandboxError.SandboxError | StateStoreError.StateStoreError>
}

/** Indexes the facts once for all decisions. */
const lookUp = (facts: ReapPlan.Facts) => ({
  ...facts,
  sandboxOf: new Map(facts.sandboxes.map((sandbox) => [sandbox.id, sandbox])),
  agentOf: new Map(facts.agents.map((agent) => [agent.id, agent])),
  boundTo: Map.groupBy(facts.agents, ({ binding }) => binding?.sandboxId)
})
type Known = ReturnType<typeof lookUp>

const unbound = (agent: Agent.Agent) => {
  const { binding: _, ...rest } = agent
  return rest
}

/**
 * Reads an agent, if there is one.
 *
 * @category access
 * @since 0.1.0
 */
export const known = (
  store: StateStore["Service"],
  id: Id.AgentId
): Effect.Effect<Option.Option<Agent.Agent>, StateStoreError.StateStoreError> =>
  Effect.catchReason(
    Effect.asSome(store.getAgent(id)),
    "StateStoreError",
    "NotFound",
    () => Effect.succeedNone
  )

/**
 * Makes the executor. It carries out a decision only if the decision still holds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  sandboxes: Sandboxes.Sandboxes["Service"],
  store: StateStore["Service"],
  intents: LaunchIntents["Service"]
): ReaperExecutor => {
  const isGone = (id: Id.SandboxId) =>
    sandboxes.info(id).pipe(
      Effect.as(false),
      Effect.catchReason("SandboxError", "Gone", () => Effect.succeed(true))
    )

  /**
   * Writes an agent that was read a moment ago. Returns nothing when another process, such as a slow launch, wrote it in
   * between: the write of that process counts.
   */
  const write = (agent: Agent.Agent) =>
    store.updateAgent(agent).pipe(
      Effect.asSome,
      Effect.catchReasons("StateStoreError", {
        NotFound: () => Effect.succeedNone,
        RevisionConflict: () => Effect.succeedNone,
        IllegalMove: () => Effect.succeedNone
      })
    )

  const mark = (agent: Agent.Agent, status: AgentLifecycle.AgentStatus, detail: string) =>
    write(new Agent.Agent({ ...(status === "failed" ? agent : unbound(agent)), status, detail }))

  const terminate = Effect.fnUntraced(function* (
    facts: Known,
    { attemptId, reason, rule }: ReapPlan.Decision,
    sandbox: ReapPlan.Seen,
    agentId: Id.AgentId
  ) {
    const info = yield* Effect.catchReason(sandboxes.info(sandbox.id), "SandboxError", "Gone", () =>
      Effect.succeed(sandbox)
    )
    const agent = yield* known(store, agentId)
    const stamped = Option.flatMap(SandboxLabels.read(info.metadata), (stamp) =>
      Option.fromUndefinedOr(facts.agentOf.get(stamp.agentId))
    )
    const related = [...(facts.boundTo.get(sandbox.id) ?? []), ...Option.toArray(stamped)]
    const others = related.filter(({ id }) => id !== agentId)
    const again = ReapPlan.ofSandbox(
      {
        ...facts,
        now: yield* DateTime.now,
        sandboxes: [info],
        agents: [...others, ...Option.toArray(agent)],
        intents: yield* Stream.runCollect(intents.list)
      },
      info
    )
    if (again.action !== "terminate" || again.rule !== rule) return false
    // Before the sandbox is terminated: a bind that has happened by now wins, and one that is still to come is refused.
    const becomes =
      rule === "abandoned-launch" ? "failed" : rule === "expired-paused" ? "terminated" : undefined
    const marked =
      Option.isSome(agent) && becomes !== undefined ? yield* mark(agent.value, becomes, reason) : agent
    if (Option.isSome(agent) && Option.isNone(marked)) return false
    yield* sandboxes.terminate(sandbox.id)
    // Agents that were bound to the sandbox lose their binding.
    if (Option.isSome(marked) && marked.value.binding?.sandboxId === sandbox.id) {
      yield* write(new Agent.Agent(unbound(marked.value)))
    }
    if (attemptId !== undefined) yield* intents.close(attemptId)
    return true
  })

  const markAgent = Effect.fnUntraced(function* (
    facts: Known,
    { action, reason, sandboxId }: ReapPlan.Decision,
    agentId: Id.AgentId
  ) {
    const agent = yield* known(store, agentId)
    const planned = facts.agentOf.get(agentId)
    if (Option.isNone(agent) || agent.value.revision !== planned?.revision) return false
    if (action === "mark-failed") return Option.isSome(yield* mark(agent.value, "failed", reason))
    if (sandboxId === undefined || !(yield* isGone(sandboxId))) return false
    return Option.isSome(yield* mark(agent.value, "lost", reason))
  })

  const carryOut: ReaperExecutor["carryOut"] = (all) => {
    const facts = lookUp(all)
    return (decision) => act(facts, decision)
  }

  const act = (facts: Known, decision: ReapPlan.Decision) => {
    const { action, agentId, attemptId, sandboxId } = decision
    if (action === "forget" && attemptId !== undefined) return Effect.as(intents.close(attemptId), true)
    if (agentId === undefined) return Effect.succeed(false)
    if (action !== "terminate") return markAgent(facts, decision, agentId)
    const sandbox = sandboxId === undefined ? undefined : facts.sandboxOf.get(sandboxId)
    return sandbox === undefined ? Effect.succeed(false) : terminate(facts, decision, sandbox, agentId)
  }

  return { isGone, carryOut }
}
