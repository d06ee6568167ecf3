import { Result, Schema } from "effect"

/**
 * The status of an agent.
 *
 * **Details**
 *
 * - `launching`: its sandbox is being created and set up.
 * - `active`: it takes queries.
 * - `paused`: its sandbox is paused and keeps memory and files.
 * - `terminated`: it was terminated on purpose.
 * - `failed`: it never became active, or its program stopped working.
 * - `lost`: the provider confirmed that its sandbox no longer exists. An unreachable provider does not make it `lost`.
 *
 * @category models
 * @since 0.1.0
 */
export const AgentStatus = Schema.Literals(["launching", "active", "paused", "terminated", "failed", "lost"])
export type AgentStatus = typeof AgentStatus.Type

/**
 * An event that may change the status of an agent.
 *
 * @category models
 * @since 0.1.0
 */
export const LifecycleEvent = Schema.Literals([
  "launched",
  "launchFailed",
  "paused",
  "resumed",
  "broke",
  "sandboxGone",
  "replaced",
  "terminated"
])
export type LifecycleEvent = typeof LifecycleEvent.Type

const words: Record<LifecycleEvent, string> = {
  launched: "made active",
  launchFailed: "marked as failed to launch",
  paused: "paused",
  resumed: "resumed",
  broke: "marked as broken",
  sandboxGone: "marked as lost",
  replaced: "given a new sandbox",
  terminated: "terminated"
}

/**
 * The status of the agent does not allow the event.
 *
 * @category errors
 * @since 0.1.0
 */
export class IllegalTransition extends Schema.TaggedError<IllegalTransition>()("IllegalTransition", {
  from: AgentStatus,
  event: LifecycleEvent
}) {
  override get message() {
    return `An agent that is ${this.from} cannot be ${words[this.event]}. See its status with \`remote-agent list\`.`
  }
}

const table: Record<AgentStatus, { readonly [E in LifecycleEvent]?: AgentStatus }> = {
  launching: {
    launched: "active",
    launchFailed: "failed",
    sandboxGone: "lost",
    terminated: "terminated"
  },
  active: { paused: "paused", broke: "failed", sandboxGone: "lost", terminated: "terminated" },
  paused: { resumed: "active", broke: "failed", sandboxGone: "lost", terminated: "terminated" },
  failed: { replaced: "launching", sandboxGone: "lost", terminated: "terminated" },
  lost: { replaced: "launching", terminated: "terminated" },
  terminated: { terminated: "terminated" }
}

/**
 * Computes the status after an event.
 *
 * **Details**
 *
 * Every agent can be terminated, more than once; no event leaves `terminated`. Fails with {@link IllegalTransition}
 * when the status does not allow the event.
 *
 * @category transitions
 * @since 0.1.0
 */
export const transition = (
  from: AgentStatus,
  event: LifecycleEvent
): Result.Result<AgentStatus, IllegalTransition> => {
  const to = table[from][event]
  return to === undefined ? Result.fail(new IllegalTransition({ from, event })) : Result.succeed(to)
}

/**
 * Tells whether a store may replace the status `from` by `to`: they are the same, or one {@link transition} apart.
 *
 * @category predicates
 * @since 0.1.0
 */
export const canMove = (from: AgentStatus, to: AgentStatus): boolean =>
  from === to || Object.values(table[from]).includes(to)

/**
 * Tells whether an agent in this status may hold a sandbox. A sandbox that is bound to such an agent must be kept.
 *
 * @category predicates
 * @since 0.1.0
 */
export const mayHoldSandbox = (status: AgentStatus): boolean =>
  status === "launching" || status === "active" || status === "paused"
