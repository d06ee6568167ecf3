/** The fleet: agents with their queries and states, filtered and counted. */
import type { Agent, Query } from "@remote-agent/domain"
import { DateTime } from "effect"
import { type Assessment, type SandboxState, type State, stateOf, states } from "./AgentState.ts"

/** What a look into a running query's log found. */
export interface Progress {
  /** The number of tools that it used so far. */
  readonly steps: number
  /** The last thing that it said or did. */
  readonly step: string
  readonly heardAt: number
}

/** An agent with everything that a list of agents shows. */
export interface FleetRow extends Assessment {
  readonly agent: Agent.Agent
  readonly running?: Query.Query | undefined
  readonly progress?: Progress | undefined
  readonly waiting: number
  /** US dollars since midnight; absent when no cost was reported. */
  readonly costToday?: number | undefined
  /** In milliseconds. */
  readonly lastActiveAt: number
}

/** Everything that the rows are made of. */
export interface FleetFacts {
  readonly agents: ReadonlyArray<Agent.Agent>
  readonly running: ReadonlyArray<Query.Query>
  readonly queued: ReadonlyArray<Query.Query>
  /** Ended queries, newest first. */
  readonly ended: ReadonlyArray<Query.Query>
  readonly sandboxes: ReadonlyMap<string, SandboxState>
  readonly progress: ReadonlyMap<string, Progress>
  readonly costs: ReadonlyMap<string, number>
  /** In milliseconds. */
  readonly now: number
}

const firstOf = (queries: ReadonlyArray<Query.Query>): ReadonlyMap<string, Query.Query> =>
  new Map(queries.toReversed().map((query) => [query.agentId, query]))

const countOf = (queries: ReadonlyArray<Query.Query>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const { agentId } of queries) counts.set(agentId, (counts.get(agentId) ?? 0) + 1)
  return counts
}

/** Joins agents with their queries, and computes the state of each. */
export const rowsOf = (facts: FleetFacts): ReadonlyArray<FleetRow> => {
  const [running, ended] = [firstOf(facts.running), firstOf(facts.ended)]
  const queued = countOf(facts.queued)
  return facts.agents.map((agent) => {
    const query = running.get(agent.id)
    const progress = query === undefined ? undefined : facts.progress.get(query.id)
    const waiting = queued.get(agent.id) ?? 0
    const assessment = stateOf({
      agent,
      running: query,
      waiting,
      last: ended.get(agent.id),
      sandbox: facts.sandboxes.get(agent.id),
      heardAt: progress?.heardAt,
      now: facts.now
    })
    return {
      ...assessment,
      agent,
      running: query,
      progress,
      waiting,
      costToday: facts.costs.get(agent.id),
      lastActiveAt: DateTime.toEpochMillis(agent.lastQueryAt ?? agent.createdAt)
    }
  })
}

/** What a list of agents is limited to. Empty fields limit nothing. */
export interface FleetFilter {
  readonly states: ReadonlySet<State>
  readonly profile: string
  /** `key=value`. */
  readonly label: string
  /** Words that must all occur in the name, id, profile, pool, labels or query. */
  readonly search: string
}

const textOf = ({ agent, running }: FleetRow): string =>
  [
    agent.name,
    agent.id,
    agent.profile,
    agent.pool ?? "",
    ...Object.entries(agent.labels).flat(),
    running?.text ?? ""
  ]
    .join(" ")
    .toLowerCase()

/** The labels of an agent as `key=value`. */
export const labelsOf = ({ labels }: Pick<Agent.Agent, "labels">): ReadonlyArray<string> =>
  Object.entries(labels).map(([key, value]) => (value === "" ? key : `${key}=${value}`))

/** Whether a row passes everything but the filter of states. */
const passes =
  ({ label, profile, search }: FleetFilter) =>
  (row: FleetRow): boolean => {
    if (profile !== "" && row.agent.profile !== profile) return false
    if (label !== "" && !labelsOf(row.agent).includes(label)) return false
    const words = search.toLowerCase().split(/\s+/).filter(Boolean)
    if (words.length === 0) return true
    const text = textOf(row)
    return words.every((word) => text.includes(word))
  }

const urgency = new Map(states.map((state, index) => [state, index]))

/** A list of agents: the rows that pass, the most urgent first, and how many there are in each state. */
export interface FleetList {
  readonly rows: ReadonlyArray<FleetRow>
  readonly counts: ReadonlyMap<State, number>
}

/**
 * Filters and sorts rows. Counts ignore the filter of states, so that they say what another state would show. Terminated
 * agents are left out unless their state is asked for.
 */
export const listOf = (rows: ReadonlyArray<FleetRow>, filter: FleetFilter): FleetList => {
  const passed = rows.filter(passes(filter))
  const counts = new Map(states.map((state) => [state, 0]))
  for (const { state } of passed) counts.set(state, (counts.get(state) ?? 0) + 1)
  const shown = passed.filter(({ state }) =>
    filter.states.size === 0 ? state !== "ended" : filter.states.has(state)
  )
  return {
    counts,
    rows: shown.toSorted(
      (a, b) =>
        (urgency.get(a.state) ?? 0) - (urgency.get(b.state) ?? 0) ||
        b.lastActiveAt - a.lastActiveAt ||
        a.agent.name.localeCompare(b.agent.name)
    )
  }
}

/** The values to choose from in the filters. */
export const choicesOf = (
  rows: ReadonlyArray<FleetRow>
): { readonly profiles: ReadonlyArray<string>; readonly labels: ReadonlyArray<string> } => ({
  profiles: [...new Set(rows.map(({ agent }) => agent.profile))].toSorted(),
  labels: [...new Set(rows.flatMap(({ agent }) => labelsOf(agent)))].toSorted()
})
