import type { Agent } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import { type Failure, NotFound, Usage } from "../ui/Failure.ts"

/** How many agents are named that may be meant. */
const most = 5

const only = Effect.fnUntraced(function* (
  text: string,
  found: ReadonlyArray<Agent.Agent>
): Effect.fn.Return<Agent.Agent, Failure> {
  const living = found.filter(({ status }) => status !== "terminated")
  const [first, ...others] = living.length > 0 ? living : found
  if (first === undefined) {
    return yield* new NotFound({
      message: `There is no agent ${text === "" ? "without a name" : text}. See which there are with \`remote-agent list --all\`.`
    })
  }
  if (others.length > 0) {
    const all = [first, ...others]
    const shown = all.slice(0, most).map(({ id, name }) => `${id} (${name})`)
    const ids = [...shown, ...(all.length > most ? ["and others"] : [])].join(", ")
    return yield* new Usage({ message: `${text} may be any of ${ids}. Say more of the id.` })
  }
  return first
})

/**
 * The agent that somebody means: by its id, by the beginning of its id if that is one agent's only, or by its name.
 * Fails with `NotFound`, and with `Usage` when it may be several.
 */
export const agent = Effect.fnUntraced(function* (
  text: string
): Effect.fn.Return<Agent.Agent, Failure, StateStore.StateStore> {
  const { findAgents } = yield* StateStore.StateStore
  return yield* only(text, yield* findAgents(text))
})
