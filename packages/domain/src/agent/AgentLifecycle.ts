import { Result, Schema } from "effect"

/**
 * Where an agent is in its life.
 *
 * - `launching`: its sandbox is being created and set up.
 * - `active`: it takes queries.
 * - `paused`: its sandbox sleeps and keeps memory and files.
 * - `terminated`: ended on purpose.
 * - `failed`: it never became active, or its program stopped working.
 * - `lost`: the provider confirmed that its sandbox no longer exists. Not being able to ask is not `lost`.
 */
export const AgentStatus = Schema.Literals(["launching", "active", "paused", "terminated", "failed", "lost"])
export type AgentStatus = typeof AgentStatus.Type

/** Something that happened to an agent and may change its status. */
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

/** The status does not allow what was asked. */
export class IllegalTransition extends Schema.TaggedError<IllegalTransition>()("IllegalTransition", {
  from: AgentStatus,
  event: LifecycleEvent
}) {
  override get message() {
    return `An agent that is ${this.from} cannot be ${words[this.event]}. See its status with \`remote-agent list\`.`
  }
}

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
 * The status after `event`. Terminating wins over everything and may be repeated; nothing leaves `terminated`.
 * Fails with {@link IllegalTransition} otherwise.
 */
export const transition = (
  from: AgentStatus,
  event: LifecycleEvent
): Result.Result<AgentStatus, IllegalTransition> => {
  const to = table[from][event]
  return to === undefined ? Result.fail(new IllegalTransition({ from, event })) : Result.succeed(to)
}

/** Whether a store may write `to` over `from`: the same status, or one step of {@link transition}. */
export const canMove = (from: AgentStatus, to: AgentStatus): boolean =>
  from === to || Object.values(table[from]).includes(to)

/** Whether an agent in this status may hold a sandbox, so that a sandbox bound to it must be kept. */
export const mayHoldSandbox = (status: AgentStatus): boolean =>
  status === "launching" || status === "active" || status === "paused"
