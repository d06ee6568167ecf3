/** Figures of a pool, computed from its agents and queries. Pure. */
import type { Agent, Query } from "@remote-agent/domain"
import { DateTime } from "effect"

export interface PoolFigures {
  readonly agents: number
  readonly working: number
  readonly waiting: number
  /** How long the query that waits longest has waited, in milliseconds. */
  readonly longestWait?: number | undefined
  /** Queries that ended per minute, within the time that was looked at. */
  readonly rate: number
  readonly ended: number
  readonly failed: number
}

export interface PoolFacts {
  readonly agents: ReadonlyArray<Pick<Agent.Agent, "id" | "pool">>
  readonly running: ReadonlyArray<Pick<Query.Query, "agentId">>
  readonly queued: ReadonlyArray<Pick<Query.Query, "agentId" | "createdAt">>
  readonly ended: ReadonlyArray<Pick<Query.Query, "agentId" | "endedAt" | "outcome">>
  readonly now: number
}

/** The time over which a rate is taken. */
export const rateWindow = 10 * 60_000

export const figuresOf = (pool: string, { agents, ended, now, queued, running }: PoolFacts): PoolFigures => {
  const members = new Set(agents.filter((agent) => agent.pool === pool).map(({ id }) => id))
  const waiting = queued.filter(({ agentId }) => members.has(agentId))
  const recent = ended.filter(
    ({ agentId, endedAt }) =>
      members.has(agentId) && endedAt !== undefined && now - DateTime.toEpochMillis(endedAt) <= rateWindow
  )
  const waits = waiting.map(({ createdAt }) => now - DateTime.toEpochMillis(createdAt))
  return {
    agents: members.size,
    working: running.filter(({ agentId }) => members.has(agentId)).length,
    waiting: waiting.length,
    longestWait: waits.length === 0 ? undefined : Math.max(...waits),
    rate: recent.length / (rateWindow / 60_000),
    ended: recent.length,
    failed: recent.filter(({ outcome }) => outcome !== "ok" && outcome !== "aborted").length
  }
}
