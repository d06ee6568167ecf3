import { DateTime, Duration, Option, Schema } from "effect"
import type { Agent } from "../agent/Agent.ts"
import { AgentId, AttemptId, SandboxId } from "../Id.ts"
import type { LaunchIntent } from "../state/LaunchIntent.ts"
import { mayHoldSandbox } from "../agent/AgentLifecycle.ts"
import * as SandboxLabels from "../sandbox/SandboxLabels.ts"

/** A sandbox that the provider listed. */
export interface Seen {
  readonly id: SandboxId
  readonly state: "running" | "paused"
  readonly metadata: Readonly<Record<string, string>>
  readonly startedAt: DateTime.Utc
  readonly endsAt: DateTime.Utc
}

/** Everything a plan is made from. */
export interface Facts {
  readonly now: DateTime.Utc
  /** Whose sandboxes may be ended: those with this stamp, and no others. */
  readonly owner: string
  /** Where the sandboxes were seen. Agents and intents of other providers are not judged. */
  readonly provider: string
  readonly sandboxes: ReadonlyArray<Seen>
  /** Whether these are all there are. If not, nothing is concluded from what was not seen. */
  readonly complete: boolean
  /** Sandboxes that the provider, asked about each, confirmed not to exist. */
  readonly gone: ReadonlySet<SandboxId>
  /** Read after the sandboxes were listed, so that every sandbox seen has its record here. */
  readonly agents: ReadonlyArray<Agent>
  readonly intents: ReadonlyArray<LaunchIntent>
  /**
   * How young a thing must be to be left alone because somebody may still be at work on it. Whoever launches renews
   * its intent; this is for how long a launch whose intent nobody renews is not yet taken for dead.
   */
  readonly grace: Duration.Duration
  /** How long a provider may still be working on a create after it began. */
  readonly createDeadline: Duration.Duration
  /** How long a sandbox may sleep before it is named. */
  readonly retention: Duration.Duration
  /** Whether those that have slept for longer are removed, and not only named. */
  readonly removePaused: boolean
}

/**
 * What is to be done.
 *
 * Nothing is ever adopted: between its create and its bind a sandbox holds nothing but what the next launch makes
 * again, and its set-up may have stopped anywhere. It is ended, and its agent is marked as failed.
 */
export const Action = Schema.Literals(["terminate", "forget", "mark-lost", "mark-failed", "leave-alone"])
export type Action = typeof Action.Type

/** The rule that decided. */
export const Rule = Schema.Literals([
  "unstamped",
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

/** What is to be done with a sandbox, an agent or an intent, and why, in one line for people. */
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
  /** The agents and attempts that the sandboxes of this owner are stamped with. */
  readonly stampedAgents: ReadonlySet<AgentId>
  readonly stampedAttempts: ReadonlySet<AttemptId>
  /** Those of the attempts whose sandbox an agent lives in that has been launched. */
  readonly heldAttempts: ReadonlySet<AttemptId>
}

/** Of several agents that say that they live in a sandbox, the last is believed: one that has been launched. */
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
  const stamped = facts.sandboxes.flatMap(({ id, metadata }) =>
    Option.toArray(SandboxLabels.read(metadata)).flatMap((stamp) =>
      stamp.owner === facts.owner ? [{ ...stamp, holder: holderOf.get(id) }] : []
    )
  )
  return {
    ...facts,
    holderOf,
    agentOf: new Map(agents.map((agent) => [agent.id, agent])),
    seen: new Set(facts.sandboxes.map(({ id }) => id)),
    stampedAgents: new Set(stamped.map(({ agentId }) => agentId)),
    stampedAttempts: new Set(stamped.map(({ attemptId }) => attemptId)),
    heldAttempts: new Set(
      stamped.flatMap(({ attemptId, holder }) =>
        holder === undefined || holder.status === "launching" ? [] : [attemptId]
      )
    )
  }
}

const isOver = (facts: Facts, since: DateTime.Utc, duration: Duration.Duration): boolean =>
  Duration.isGreaterThanOrEqualTo(DateTime.distance(since, facts.now), duration)

const untilCertain = (facts: Facts) => Duration.sum(facts.createDeadline, facts.grace)

const judgeSandbox = (facts: Index, sandbox: Seen): Decision => {
  const decide = (action: Action, rule: Rule, reason: string, stamp?: Partial<SandboxLabels.SandboxLabels>) =>
    new Decision({
      action,
      rule,
      reason,
      sandboxId: sandbox.id,
      ...(stamp?.agentId === undefined ? {} : { agentId: stamp.agentId }),
      ...(stamp?.attemptId === undefined ? {} : { attemptId: stamp.attemptId })
    })
  const holder = facts.holderOf.get(sandbox.id)
  const stamp = SandboxLabels.read(sandbox.metadata)
  if (Option.isNone(stamp)) return decide("leave-alone", "unstamped", "It does not say whose it is.")
  if (stamp.value.owner !== facts.owner) {
    return decide("leave-alone", "other-owner", "It belongs to another installation.")
  }
  if (holder !== undefined && holder.status !== "launching") {
    const held = { ...stamp.value, agentId: holder.id }
    // A sandbox sleeps at the latest from the end of its life on; since when exactly, no provider tells.
    if (sandbox.state === "running" || !isOver(facts, sandbox.endsAt, facts.retention)) {
      return decide("leave-alone", "bound", `Agent ${holder.id} lives in it.`, held)
    }
    const slept = `It has slept for longer than ${Duration.format(facts.retention)}.`
    return facts.removePaused
      ? decide("terminate", "expired-paused", slept, held)
      : decide("leave-alone", "expired-paused", `${slept} Ask for its removal to end it.`, held)
  }
  const { agentId, attemptId } = stamp.value
  const agent = holder ?? facts.agentOf.get(agentId)
  const signs = facts.intents.flatMap((intent) =>
    intent.attemptId === attemptId || intent.agentId === (agent?.id ?? agentId) ? [intent.at] : []
  )
  if (agent?.status === "launching") signs.push(agent.updatedAt)
  const since = Option.getOrElse(latest([sandbox.startedAt, ...signs]), () => facts.now)
  if (!isOver(facts, since, facts.grace)) {
    return decide("leave-alone", "young", "A launch may still be at work on it.", stamp.value)
  }
  const end = (rule: Rule, reason: string) =>
    decide("terminate", rule, reason, { agentId: agent?.id ?? agentId, attemptId })
  if (agent === undefined) return end("unknown-agent", `There is no record of agent ${agentId}.`)
  if (!mayHoldSandbox(agent.status)) return end("ended-agent", `Agent ${agentId} is ${agent.status}.`)
  return agent.status === "launching" &&
    (agent.binding === undefined || agent.binding.sandboxId === sandbox.id)
    ? end("abandoned-launch", `The launch of agent ${agentId} was cut short.`)
    : end("stray", `Agent ${agentId} does not live in it.`)
}

const judgeIntent = (facts: Index, intent: LaunchIntent): ReadonlyArray<Decision> => {
  const { agentId, attemptId } = intent
  const decide = (action: Action, rule: Rule, reason: string) => [
    new Decision({ action, rule, reason, agentId, attemptId })
  ]
  if (intent.owner !== facts.owner || intent.provider !== facts.provider) {
    return decide("leave-alone", "other-owner", "It belongs to another installation or provider.")
  }
  if (facts.stampedAttempts.has(attemptId)) {
    // What is not held is judged as a sandbox, and its intent closed with it.
    return facts.heldAttempts.has(attemptId) && isOver(facts, intent.at, facts.grace)
      ? decide("forget", "settled", "An agent lives in the sandbox that came of it.")
      : []
  }
  if (!isOver(facts, intent.at, untilCertain(facts))) {
    return decide("leave-alone", "young", "Its sandbox may still be on its way.")
  }
  return facts.complete
    ? decide("forget", "never-created", "No sandbox came of it, or it has ended.")
    : decide("leave-alone", "not-seen", "Not every sandbox was seen.")
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
      : decide("leave-alone", "not-seen", "Its sandbox was not listed, and nobody confirmed that it is gone.")
  }
  if (status !== "launching") {
    return isOver(facts, updatedAt, facts.grace)
      ? decide("mark-failed", "no-sandbox", `It is ${status}, and bound to no sandbox.`)
      : []
  }
  // One with a sandbox is judged with that; one with an intent that is kept may still get one.
  const awaited = facts.intents.some((intent) => intent.agentId === id && !forgotten.has(intent.attemptId))
  return facts.complete &&
    !awaited &&
    !facts.stampedAgents.has(id) &&
    isOver(facts, updatedAt, untilCertain(facts))
    ? decide("mark-failed", "abandoned-launch", "Its launch was cut short before it had a sandbox.")
    : []
}

/** What is to be done with one sandbox, for a last look at it before it is done. */
export const ofSandbox = (facts: Facts, sandbox: Seen): Decision => judgeSandbox(index(facts), sandbox)

const order = (decision: Decision) =>
  `${decision.sandboxId ?? ""} ${decision.agentId ?? ""} ${decision.attemptId ?? ""}`

/**
 * What is to be done with everything there is. The same facts give the same plan, in whatever order they come.
 *
 * What carries no stamp or another owner's is left alone, and so is what an active or paused agent is bound to, and
 * what is so young that a launch may be at work on it. Every other sandbox of the owner's is ended.
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
