import { DateTime, Duration, Option, Schema } from "effect"
import type { Agent } from "../agent/Agent.ts"
import { mayHoldSandbox } from "../agent/AgentLifecycle.ts"
import { AgentId, AttemptId, SandboxId } from "../Id.ts"
import * as SandboxLabels from "../sandbox/SandboxLabels.ts"
import type { LaunchIntent } from "../state/LaunchIntent.ts"

/**
 * A sandbox that the provider listed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly id: SandboxId
  readonly state: "running" | "paused"
  readonly metadata: Readonly<Record<string, string>>
  readonly startedAt: DateTime.Utc
  readonly endsAt: DateTime.Utc
}

/**
 * The facts that a plan is computed from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Facts {
  readonly now: DateTime.Utc
  /** Only sandboxes with this owner may be terminated. */
  readonly owner: string
  /** The provider that listed the sandboxes. Agents and intents of other providers are left alone. */
  readonly provider: string
  readonly sandboxes: ReadonlyArray<Seen>
  /** Whether the list is complete. If not, a sandbox that is missing from it may still exist. */
  readonly complete: boolean
  /** Sandboxes that the provider confirmed not to exist when asked for each. */
  readonly gone: ReadonlySet<SandboxId>
  /** Read after the sandboxes were listed, so that the record of every listed sandbox is among them. */
  readonly agents: ReadonlyArray<Agent>
  readonly intents: ReadonlyArray<LaunchIntent>
  /**
   * How long a sandbox, agent or intent is left alone after its last change, because a launch may still be working on it.
   * A launch renews its intent; without renewals for this long it counts as dead.
   */
  readonly grace: Duration.Duration
  /** How long the provider may work on a create. */
  readonly createDeadline: Duration.Duration
  /** How long a sandbox may stay paused before it is reported. */
  readonly retention: Duration.Duration
  /** Whether sandboxes that were paused for longer are terminated, rather than only reported. */
  readonly removePaused: boolean
}

/**
 * The action for a sandbox, an agent or an intent.
 *
 * **Details**
 *
 * A sandbox of an unfinished launch is terminated, never adopted: it holds nothing that the next launch does not make
 * again, and its setup may have stopped anywhere. Its agent is marked as failed.
 *
 * @category models
 * @since 0.1.0
 */
export const Action = Schema.Literals(["terminate", "forget", "mark-lost", "mark-failed", "leave-alone"])
export type Action = typeof Action.Type

/**
 * The rule that decided.
 *
 * @category models
 * @since 0.1.0
 */
export const Rule = Schema.Literals([
  "unlabelled",
  "other-owner",
  "bound",
  "expired-paused",
  "young",
  "abandoned-launch",
  "ended-agent",
  "unknown-agent",
  "stray",
  "gone",
  "no-sandbox",
  "not-seen",
  "settled",
  "never-created"
])
export type Rule = typeof Rule.Type

/**
 * The decision about a sandbox, an agent or an intent. `reason` explains it in one line for people.
 *
 * @category models
 * @since 0.1.0
 */
export class Decision extends Schema.Class<Decision>("@remote-agent/domain/ReapPlan/Decision")({
  action: Action,
  rule: Rule,
  reason: Schema.String,
  sandboxId: Schema.optionalKey(SandboxId),
  agentId: Schema.optionalKey(AgentId),
  attemptId: Schema.optionalKey(AttemptId)
}) {}

const latest = (times: ReadonlyArray<DateTime.Utc>): Option.Option<DateTime.Utc> =>
  times.reduce<Option.Option<DateTime.Utc>>(
    (most, time) =>
      Option.some(Option.match(most, { onNone: () => time, onSome: (one) => DateTime.max(one, time) })),
    Option.none()
  )

interface Index extends Facts {
  readonly agentOf: ReadonlyMap<AgentId, Agent>
  /** The agents that may hold a sandbox, by the sandbox that they are bound to. */
  readonly holderOf: ReadonlyMap<SandboxId, Agent>
  readonly seen: ReadonlySet<SandboxId>
  /** The agents and attempts in the labels of this owner's sandboxes. */
  readonly labelledAgents: ReadonlySet<AgentId>
  readonly labelledAttempts: ReadonlySet<AttemptId>
  /** The attempts whose sandbox is bound to a launched agent. */
  readonly heldAttempts: ReadonlySet<AttemptId>
}

/** Orders agents so that, of several bound to the same sandbox, the launched and youngest one comes last and wins. */
const rank = ({ id, status }: Agent): string => `${status === "launching" ? 0 : 1} ${id}`

const index = (facts: Facts): Index => {
  const agents = facts.agents.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))
  const holderOf = new Map(
    agents.flatMap((agent) =>
      agent.binding?.provider === facts.provider && mayHoldSandbox(agent.status)
        ? [[agent.binding.sandboxId, agent]]
        : []
    )
  )
  const labelled = facts.sandboxes.flatMap(({ id, metadata }) =>
    Option.toArray(SandboxLabels.read(metadata)).flatMap((labels) =>
      labels.owner === facts.owner ? [{ ...labels, holder: holderOf.get(id) }] : []
    )
  )
  return {
    ...facts,
    holderOf,
    agentOf: new Map(agents.map((agent) => [agent.id, agent])),
    seen: new Set(facts.sandboxes.map(({ id }) => id)),
    labelledAgents: new Set(labelled.map(({ agentId }) => agentId)),
    labelledAttempts: new Set(labelled.map(({ attemptId }) => attemptId)),
    heldAttempts: new Set(
      labelled.flatMap(({ attemptId, holder }) =>
        holder === undefined || holder.status === "launching" ? [] : [attemptId]
      )
    )
  }
}

const isOver = (facts: Facts, since: DateTime.Utc, duration: Duration.Duration): boolean =>
  Duration.isGreaterThanOrEqualTo(DateTime.distance(since, facts.now), duration)

const untilCertain = (facts: Facts) => Duration.sum(facts.createDeadline, facts.grace)

const judgeSandbox = (facts: Index, sandbox: Seen): Decision => {
  const decide = (
    action: Action,
    rule: Rule,
    reason: string,
    labels?: Partial<SandboxLabels.SandboxLabels>
  ) =>
    new Decision({
      action,
      rule,
      reason,
      sandboxId: sandbox.id,
      ...(labels?.agentId === undefined ? {} : { agentId: labels.agentId }),
      ...(labels?.attemptId === undefined ? {} : { attemptId: labels.attemptId })
    })
  const holder = facts.holderOf.get(sandbox.id)
  const read = SandboxLabels.read(sandbox.metadata)
  if (Option.isNone(read)) return decide("leave-alone", "unlabelled", "It has no labels of an installation.")
  const labels = read.value
  if (labels.owner !== facts.owner) {
    return decide("leave-alone", "other-owner", "It belongs to another installation.")
  }
  if (holder !== undefined && holder.status !== "launching") {
    const held = { ...labels, agentId: holder.id }
    // No provider reports when a sandbox was paused; the end of its ttl is the latest possible time.
    if (sandbox.state === "running" || !isOver(facts, sandbox.endsAt, facts.retention)) {
      return decide("leave-alone", "bound", `Agent ${holder.id} uses it.`, held)
    }
    const slept = `It has been paused for longer than ${Duration.format(facts.retention)}.`
    return facts.removePaused
      ? decide("terminate", "expired-paused", slept, held)
      : decide(
          "leave-alone",
          "expired-paused",
          `${slept} Ask for the removal of paused sandboxes to terminate it.`,
          held
        )
  }
  const { agentId, attemptId } = labels
  const agent = holder ?? facts.agentOf.get(agentId)
  const signs = facts.intents.flatMap((intent) =>
    intent.attemptId === attemptId || intent.agentId === (agent?.id ?? agentId) ? [intent.at] : []
  )
  if (agent?.status === "launching") signs.push(agent.updatedAt)
  const since = Option.getOrElse(latest([sandbox.startedAt, ...signs]), () => facts.now)
  if (!isOver(facts, since, facts.grace)) {
    return decide("leave-alone", "young", "A launch may still be at work on it.", labels)
  }
  const end = (rule: Rule, reason: string) =>
    decide("terminate", rule, reason, { agentId: agent?.id ?? agentId, attemptId })
  if (agent === undefined) return end("unknown-agent", `There is no record of agent ${agentId}.`)
  if (!mayHoldSandbox(agent.status)) return end("ended-agent", `Agent ${agentId} is ${agent.status}.`)
  return agent.status === "launching" &&
    (agent.binding === undefined || agent.binding.sandboxId === sandbox.id)
    ? end("abandoned-launch", `The launch of agent ${agentId} was cut short.`)
    : end("stray", `Agent ${agentId} uses another sandbox.`)
}

const judgeIntent = (facts: Index, intent: LaunchIntent): ReadonlyArray<Decision> => {
  const { agentId, attemptId } = intent
  const decide = (action: Action, rule: Rule, reason: string) => [
    new Decision({ action, rule, reason, agentId, attemptId })
  ]
  if (intent.owner !== facts.owner || intent.provider !== facts.provider) {
    return decide("leave-alone", "other-owner", "It belongs to another installation or provider.")
  }
  if (facts.labelledAttempts.has(attemptId)) {
    // A sandbox without an agent is judged as a sandbox, and its intent is closed with it.
    return facts.heldAttempts.has(attemptId) && isOver(facts, intent.at, facts.grace)
      ? decide("forget", "settled", "An agent uses the sandbox that it created.")
      : []
  }
  if (!isOver(facts, intent.at, untilCertain(facts))) {
    return decide("leave-alone", "young", "Its sandbox may still be created.")
  }
  return facts.complete
    ? decide("forget", "never-created", "It created no sandbox, or its sandbox has ended.")
    : decide("leave-alone", "not-seen", "The list of sandboxes is incomplete.")
}

const judgeAgent = (
  facts: Index,
  agent: Agent,
  forgotten: ReadonlySet<AttemptId>
): ReadonlyArray<Decision> => {
  const { binding, id, status, updatedAt } = agent
  if (!mayHoldSandbox(status)) return []
  const decide = (action: Action, rule: Rule, reason: string) => [
    new Decision({
      action,
      rule,
      reason,
      agentId: id,
      ...(binding === undefined ? {} : { sandboxId: binding.sandboxId })
    })
  ]
  if (binding !== undefined) {
    if (binding.provider !== facts.provider || facts.seen.has(binding.sandboxId)) return []
    return facts.complete && facts.gone.has(binding.sandboxId)
      ? decide("mark-lost", "gone", "The provider confirmed that its sandbox no longer exists.")
      : decide(
          "leave-alone",
          "not-seen",
          "Its sandbox was not listed, and the provider did not confirm that it is gone."
        )
  }
  if (status !== "launching") {
    return isOver(facts, updatedAt, facts.grace)
      ? decide("mark-failed", "no-sandbox", `It is ${status} but bound to no sandbox.`)
      : []
  }
  // An agent with a sandbox is judged with its sandbox; one with a live intent may still get a sandbox.
  const awaited = facts.intents.some((intent) => intent.agentId === id && !forgotten.has(intent.attemptId))
  return facts.complete &&
    !awaited &&
    !facts.labelledAgents.has(id) &&
    isOver(facts, updatedAt, untilCertain(facts))
    ? decide("mark-failed", "abandoned-launch", "Its launch was cut short before it had a sandbox.")
    : []
}

/**
 * Decides about one sandbox, for a last check before it is terminated.
 *
 * @category planning
 * @since 0.1.0
 */
export const ofSandbox = (facts: Facts, sandbox: Seen): Decision => judgeSandbox(index(facts), sandbox)

const order = (decision: Decision) =>
  `${decision.sandboxId ?? ""} ${decision.agentId ?? ""} ${decision.attemptId ?? ""}`

/**
 * Computes a plan for all sandboxes, agents and intents.
 *
 * **Details**
 *
 * Sandboxes are left alone when they have no labels or another owner, when an active or paused agent is bound to them,
 * or when they are so young that a launch may be working on them. Every other sandbox of the owner is terminated. The
 * order of the facts does not change the plan.
 *
 * @category planning
 * @since 0.1.0
 */
export const make = (facts: Facts): ReadonlyArray<Decision> => {
  const indexed = index(facts)
  const intents = facts.intents.flatMap((intent) => judgeIntent(indexed, intent))
  const forgotten = new Set(
    intents.flatMap(({ action, attemptId }) =>
      action === "forget" && attemptId !== undefined ? [attemptId] : []
    )
  )
  return [
    ...facts.sandboxes.map((sandbox) => judgeSandbox(indexed, sandbox)),
    ...facts.agents.flatMap((agent) => judgeAgent(indexed, agent, forgotten)),
    ...intents
  ].toSorted((a, b) => (order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : 0))
}
