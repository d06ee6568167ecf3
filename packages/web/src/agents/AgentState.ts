/** The state of an agent as people see it, computed from what the store and the provider say. */
import type { Agent, Query } from "@remote-agent/domain"
import { DateTime, Duration } from "effect"

/** What an agent does, in the order of urgency. */
export const states = [
  "attention",
  "lost",
  "unreachable",
  "working",
  "starting",
  "idle",
  "asleep",
  "ended"
] as const
export type State = (typeof states)[number]

export const stateNames: Readonly<Record<State, string>> = {
  attention: "Needs attention",
  lost: "Lost",
  unreachable: "Unreachable",
  working: "Working",
  starting: "Starting",
  idle: "Idle",
  asleep: "Asleep",
  ended: "Terminated"
}

/** The state of a sandbox, as its provider says. */
export type SandboxState = "running" | "paused" | "gone" | "unknown" | "none"

type AgentFacts = Pick<Agent.Agent, "status" | "detail" | "endRequestedAt">
type QueryFacts = Pick<Query.Query, "outcome" | "error">
type RunningFacts = Pick<Query.Query, "startedAt" | "createdAt" | "cancelRequestedAt" | "timeouts">

/** Everything that is known about an agent. */
export interface Facts {
  readonly agent: AgentFacts
  /** The query that the store says is running. */
  readonly running?: RunningFacts | undefined
  /** How many queries wait for the agent. */
  readonly waiting: number
  /** The query that ended last. */
  readonly last?: QueryFacts | undefined
  /** Its sandbox; absent until the provider was asked. */
  readonly sandbox?: SandboxState | undefined
  /** When the last event of the running query was heard; absent until its log was read. In milliseconds. */
  readonly heardAt?: number | undefined
  /** In milliseconds. */
  readonly now: number
}

/** A state, and the sentence that explains it. */
export interface Assessment {
  readonly state: State
  readonly why: string
}

const failures: Readonly<Record<string, string>> = {
  error: "Its last query failed",
  crash: "Its last query crashed",
  timeout: "Its last query took too long",
  denied: "Its last query was denied something",
  max_iterations: "Its last query ran out of steps",
  empty: "Its last query had no answer"
}

/** How long an agent without an idle timeout may be silent before somebody should look. */
const silenceAllowed = Duration.minutes(10)
/** A timeout is noticed a little after it passed. */
const margin = Duration.seconds(30)

const minutes = (millis: number): string => `${Math.floor(millis / 60_000)} min`

const silentFor = ({ heardAt, now, running }: Facts): number | undefined => {
  if (running === undefined || heardAt === undefined) return undefined
  const since = Math.max(heardAt, DateTime.toEpochMillis(running.startedAt ?? running.createdAt))
  const allowed = Duration.sum(running.timeouts?.idle ?? silenceAllowed, margin)
  return now - since > Duration.toMillis(allowed) ? now - since : undefined
}

/** The state of an agent that has a sandbox, or should have one. */
const stateWithSandbox = (facts: Facts): Assessment => {
  const { agent, last, running, sandbox, waiting } = facts
  if (sandbox === "unknown") {
    return { state: "unreachable", why: "The provider of its sandbox does not answer" }
  }
  if (agent.status === "paused" || sandbox === "paused") {
    const queue = waiting > 0 ? `, ${waiting} waiting` : ""
    return { state: "asleep", why: `Its sandbox is paused and keeps its files${queue}` }
  }
  if (running !== undefined) {
    const silent = silentFor(facts)
    if (silent !== undefined) {
      return { state: "attention", why: `Nothing was heard from its query for ${minutes(silent)}` }
    }
    const cancelled = running.cancelRequestedAt !== undefined
    return { state: "working", why: cancelled ? "Its query is being cancelled" : "It answers a query" }
  }
  const failure = failures[last?.outcome ?? ""]
  if (failure !== undefined) {
    return { state: "attention", why: last?.error === undefined ? failure : `${failure}: ${last.error}` }
  }
  return waiting > 0
    ? { state: "idle", why: `${waiting === 1 ? "One query waits" : `${waiting} queries wait`} for it` }
    : { state: "idle", why: "It waits for a query" }
}

/**
 * Computes the state of an agent.
 *
 * An agent is working only if the store has a running query for it, its sandbox was not found paused, gone or
 * unreachable, and its query was heard of within its idle timeout. A provider that does not answer makes an agent
 * unreachable, never lost.
 */
export const stateOf = (facts: Facts): Assessment => {
  const { agent, sandbox } = facts
  const { detail, endRequestedAt, status } = agent
  if (status === "terminated") return { state: "ended", why: detail ?? "It was terminated" }
  if (endRequestedAt !== undefined) return { state: "ended", why: "It is being terminated" }
  if (status === "failed") return { state: "attention", why: detail ?? "Its program stopped working" }
  if (status === "lost") return { state: "lost", why: detail ?? "Its sandbox no longer exists" }
  if (status === "launching") return { state: "starting", why: detail ?? "Its sandbox is being set up" }
  if (sandbox === "gone" || sandbox === "none") return { state: "lost", why: "Its sandbox no longer exists" }
  return stateWithSandbox(facts)
}
