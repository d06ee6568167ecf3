/** The rule by which a text names an agent. */
import type { Agent } from "./Agent.ts"
import { mayHoldSandbox } from "./AgentLifecycle.ts"

/**
 * Tells whether a text is long enough to be a prefix of an agent's id: four characters after `agt_`. A shorter one could
 * belong to any agent.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isIdPrefix = (text: string): boolean => /^agt_[0-9a-hjkmnp-tv-z]{4,26}$/.test(text)

/** The fields of an agent that decide. */
type Candidate = Pick<Agent, "id" | "name" | "status">

/**
 * Makes the function that ranks how well a text names an agent. The least rank is the best; agents that do not match
 * are unranked.
 *
 * **Details**
 *
 * The exact id wins. Among the others, agents that may hold a sandbox come before failed and lost ones, and those before
 * terminated ones; within each of these groups the exact name comes before the prefix of an id. So a terminated agent
 * never makes the name of a living one ambiguous.
 *
 * @category matching
 * @since 0.1.0
 */
export const rankBy = (text: string): ((agent: Candidate) => number | undefined) => {
  const isPrefix = isIdPrefix(text)
  return ({ id, name, status }) => {
    if (id === text) return 0
    const match = name === text ? 0 : isPrefix && id.startsWith(text) ? 1 : undefined
    if (match === undefined) return undefined
    return 1 + match + 2 * (mayHoldSandbox(status) ? 0 : status === "terminated" ? 2 : 1)
  }
}

/**
 * Selects the agents with the best rank, in their order. The text names an agent when exactly one is selected.
 *
 * **Gotchas**
 *
 * Limit the result, and never the candidates: a limit before the selection could drop the agent that is meant.
 *
 * @category matching
 * @since 0.1.0
 */
export const select = <A extends Candidate>(text: string, agents: Iterable<A>): ReadonlyArray<A> => {
  const rankOf = rankBy(text)
  let best = Infinity
  let selected: Array<A> = []
  for (const agent of agents) {
    const rank = rankOf(agent)
    if (rank === undefined || rank > best) continue
    if (rank < best) selected = []
    best = rank
    selected.push(agent)
  }
  return selected
}
