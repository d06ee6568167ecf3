import { type AgentEvent, type Query, TokenUsage } from "@remote-agent/domain"
import { DateTime, Effect } from "effect"
import {
  byKey,
  type StateStore,
  type UsageFilter,
  type UsageGroup,
  type UsageGrouping,
  type UsageSummary
} from "../StateStore.ts"
import { inOrder, type Tables } from "./MemoryTables.ts"

/**
 * The methods of the store that sum up usage.
 *
 * @category models
 * @since 0.1.0
 */
export type MemoryUsage = Pick<StateStore["Service"], "usage" | "usageBy" | "poolUsage">

const summary = (queries: ReadonlyArray<Query.Query>): UsageSummary => {
  const outcomes: Partial<Record<AgentEvent.Outcome, number>> = {}
  let [count, usage] = [0, TokenUsage.zero]
  for (const { outcome, usage: used } of queries) {
    if (outcome === undefined) continue
    count++
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    if (used !== undefined) usage = TokenUsage.add(usage, used)
  }
  return { usage, queries: count, outcomes }
}

/** The usage of the queries of a store in memory. See `MemoryStateStore.make`. */
export const make = ({ agents, logs, queries }: Tables): MemoryUsage => {
  const ended = ({ agentId, pool, since }: UsageFilter) =>
    inOrder(queries).filter(
      (query) =>
        query.outcome !== undefined &&
        (agentId === undefined || query.agentId === agentId) &&
        (pool === undefined || agents.get(query.agentId)?.pool === pool) &&
        (since === undefined ||
          (query.endedAt !== undefined && DateTime.isGreaterThanOrEqualTo(query.endedAt, since)))
    )

  const keyOf = (grouping: UsageGrouping, { agentId, endedAt }: Query.Query): string | undefined => {
    switch (grouping) {
      case "agent":
        return agentId
      case "profile":
        return agents.get(agentId)?.profile
      case "day":
        return endedAt === undefined ? undefined : DateTime.formatIso(endedAt).slice(0, 10)
    }
  }

  const usageBy: MemoryUsage["usageBy"] = Effect.fn("StateStore.usageBy")((grouping, filter = {}) =>
    Effect.sync(() => {
      const groups = Map.groupBy(ended(filter), (query) => keyOf(grouping, query))
      const found = [...groups].map(([key, members]): UsageGroup => {
        const [first] = members
        const name = grouping === "agent" && first !== undefined ? agents.get(first.agentId)?.name : undefined
        const { queries: count, usage } = summary(members)
        return {
          ...(key === undefined ? {} : { key }),
          ...(name === undefined ? {} : { name }),
          queries: count,
          usage
        }
      })
      return found.toSorted(byKey)
    })
  )

  const poolUsage: MemoryUsage["poolUsage"] = Effect.fn("StateStore.poolUsage")((pool) =>
    Effect.sync(() => {
      const members = inOrder(agents).filter((agent) => agent.pool === pool)
      const used = members.reduce((all, { usage }) => TokenUsage.add(all, usage), TokenUsage.zero)
      const running = inOrder(queries).flatMap(({ agentId, id, startedAt, status }) => {
        if (status !== "running" || startedAt === undefined || agents.get(agentId)?.pool !== pool) return []
        const reported = logs.get(id)?.findLast(({ event }) => event.type === "usage")?.event
        return [{ id, startedAt, usage: reported?.type === "usage" ? reported.usage : TokenUsage.zero }]
      })
      return { ended: used, running }
    })
  )

  return {
    usage: Effect.fn("StateStore.usage")((filter = {}) => Effect.sync(() => summary(ended(filter)))),
    usageBy,
    poolUsage
  }
}
