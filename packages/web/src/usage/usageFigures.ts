/** Figures of usage: days without gaps, and sums by label. Pure. */
import type { Agent, TokenUsage } from "@remote-agent/domain"

type Usage = Pick<TokenUsage.TokenUsage, "inputTokens" | "outputTokens" | "costUsd" | "wallMillis">

/** The usage of one day, profile, label or agent. */
export interface Group {
  readonly key?: string | undefined
  readonly name?: string | undefined
  readonly queries: number
  readonly usage: Usage
}

const none: Usage = { inputTokens: 0, outputTokens: 0, wallMillis: 0 }

/** Adds usages. A cost that is known and one that is not add up to the known one. */
const add = (a: Usage, b: Usage): Usage => ({
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  wallMillis: a.wallMillis + b.wallMillis,
  ...(a.costUsd === undefined && b.costUsd === undefined
    ? {}
    : { costUsd: (a.costUsd ?? 0) + (b.costUsd ?? 0) })
})

/** The sum of groups. */
export const totalOf = (groups: ReadonlyArray<Group>): Group =>
  groups.reduce<Group>(
    (sum, { queries, usage }) => ({ queries: sum.queries + queries, usage: add(sum.usage, usage) }),
    { queries: 0, usage: none }
  )

const dayMillis = 86_400_000

/** The date of a day as the API writes it, in UTC. */
const dayOf = (millis: number): string => new Date(millis).toISOString().slice(0, 10)

/** The last `count` days up to `now`, each with its usage. The API leaves out days without a query. */
export const daysOf = (groups: ReadonlyArray<Group>, now: number, count: number): ReadonlyArray<Group> => {
  const known = new Map(groups.map((group) => [group.key, group]))
  return Array.from({ length: count }, (_, index) => {
    const key = dayOf(now - (count - 1 - index) * dayMillis)
    return known.get(key) ?? { key, queries: 0, usage: none }
  })
}

/** The usage by label. An agent with several labels counts for each of them, so that the sums overlap. */
export const byLabel = (
  byAgent: ReadonlyArray<Group>,
  agents: ReadonlyArray<Pick<Agent.Agent, "id" | "labels">>
): ReadonlyArray<Group> => {
  const usages = new Map(byAgent.map((group) => [group.key, group]))
  const labels = new Map<string, Array<Group>>()
  for (const { id, labels: ofAgent } of agents) {
    const group = usages.get(id)
    if (group === undefined) continue
    for (const [key, value] of Object.entries(ofAgent)) {
      const label = value === "" ? key : `${key}=${value}`
      labels.set(label, [...(labels.get(label) ?? []), group])
    }
  }
  return [...labels].map(([key, groups]) => ({ key, ...totalOf(groups) }))
}

/** Tokens in and out. */
export const tokensOf = ({ usage }: Group): number => usage.inputTokens + usage.outputTokens

/** The groups that used most first: by cost, then by tokens. */
export const ranked = (groups: ReadonlyArray<Group>): ReadonlyArray<Group> =>
  groups.toSorted((a, b) => (b.usage.costUsd ?? 0) - (a.usage.costUsd ?? 0) || tokensOf(b) - tokensOf(a))
