import type { Agent, Query } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect, Layer, Option, Stream } from "effect"
import { type Failure, NotFound, Usage } from "../ui/Failure.ts"
import * as Table from "../ui/Table.ts"
import type * as App from "./App.ts"
import type { Environment } from "./Environment.ts"
import { ServerTarget } from "./ServerTarget.ts"
import type { AppFlags } from "./Settings.ts"
import type * as State from "./State.ts"

/** How many candidates an ambiguous name lists. */
const shown = 5

const only = Effect.fnUntraced(function* (
  text: string,
  found: ReadonlyArray<Agent.Agent>
): Effect.fn.Return<Agent.Agent, Failure> {
  const [first, ...others] = found
  if (first === undefined) {
    const who = text === "" ? "An agent needs a name" : `There is no agent ${text}`
    const isShort = /^agt_.{0,3}$/.test(text)
    return yield* new NotFound({
      message: isShort
        ? `${who}. The beginning of an id needs at least four characters after agt_.`
        : `${who}. List agents with \`remote-agent list --all\`.`
    })
  }
  if (others.length === 0) return first
  const ids = found.slice(0, shown).map(({ id, name }) => `${id} (${name})`)
  const list = [...ids, ...(found.length > shown ? ["and others"] : [])].join(", ")
  return yield* new Usage({ message: `${text} matches several agents: ${list}. Give more of the id.` })
})

/**
 * The agent that a text names: an id, a name, or the beginning of an id. Fails with `NotFound`, and with `Usage` when
 * several match.
 */
export const one = Effect.fnUntraced(function* (
  text: string
): Effect.fn.Return<Agent.Agent, Failure, StateStore.StateStore> {
  const { findAgents } = yield* StateStore.StateStore
  return yield* only(text, yield* findAgents(text))
})

/**
 * The flags with the provider where the agents live.
 *
 * **Details**
 *
 * Fails with `Usage` when the flags name another provider, and when the agents live at several: at another provider a
 * sandbox would look gone.
 */
export const at = Effect.fnUntraced(function* <F extends AppFlags>(
  flags: F,
  agents: ReadonlyArray<Agent.Agent>
): Effect.fn.Return<F, Usage> {
  // A server knows where each of its agents lives.
  if ((yield* ServerTarget) !== undefined) return flags
  const providers = [
    ...new Set(agents.flatMap(({ binding }) => (binding === undefined ? [] : [binding.provider])))
  ]
  const [provider, ...others] = providers
  if (provider === undefined) return flags
  if (others.length > 0) {
    return yield* new Usage({
      message: `These agents live at ${providers.join(" and ")}. Name agents of one provider at a time, or combine --all with --provider.`
    })
  }
  if (flags.provider !== undefined && flags.provider !== provider) {
    const whose = agents.length === 1 ? "This agent lives" : "These agents live"
    return yield* new Usage({
      message: `${whose} at ${provider}, not at ${flags.provider}. Leave --provider out.`
    })
  }
  return { ...flags, provider }
})

/** The services for working with these agents, where they live, over the open state. */
export const services = (
  flags: AppFlags,
  agents: ReadonlyArray<Agent.Agent>
): Layer.Layer<App.Durable, Failure, State.Records | Environment> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const found = yield* at(flags, agents)
      // Loaded here because many commands only read the state, and this takes longer than the rest of them.
      const app = yield* Effect.promise(() => import("./App.ts"))
      return app.agents(found)
    })
  )

const onlyQuery = Effect.fnUntraced(function* (
  text: string,
  found: ReadonlyArray<Query.Query>
): Effect.fn.Return<Query.Query, Failure> {
  const [first, ...others] = found
  if (first === undefined) {
    const isShort = /^qry_.{0,3}$/.test(text)
    return yield* new NotFound({
      message: isShort
        ? `There is no query ${text}. The beginning of an id needs at least four characters after qry_.`
        : `There is no query ${text}. List queries with \`remote-agent queries\`.`
    })
  }
  if (others.length === 0) return first
  const ids = found.slice(0, shown).map(({ id, text: asked }) => `${id} (${Table.cut(asked, 40)})`)
  const list = [...ids, ...(found.length > shown ? ["and others"] : [])].join(", ")
  return yield* new Usage({ message: `${text} matches several queries: ${list}. Give more of the id.` })
})

/** Selects one of an agent's queries. */
type Choice = (agent: Agent.Agent) => Effect.Effect<Query.Query, Failure, StateStore.StateStore>

/** The newest query. Fails with `NotFound` when the agent has none. */
export const newest: Choice = Effect.fnUntraced(function* ({ id, name }) {
  const { newestQuery } = yield* StateStore.StateStore
  const last = yield* newestQuery(id)
  if (Option.isSome(last)) return last.value
  return yield* new NotFound({
    message: `Agent ${name} has no queries yet. Ask it with \`remote-agent query\`.`
  })
})

/** The running query, or else the first that waits. Fails with `NotFound` when there is neither. */
export const current: Choice = Effect.fnUntraced(function* ({ id, name }) {
  const { listQueries } = yield* StateStore.StateStore
  for (const status of ["running", "queued"] as const) {
    const first = yield* Stream.runHead(listQueries({ agentId: id, status }, { limit: 1 }))
    if (Option.isSome(first)) return first.value
  }
  return yield* new NotFound({
    message: `Agent ${name} has no query to cancel. See its newest one with \`remote-agent logs\`.`
  })
})

/**
 * The query that a text names, by its id, the beginning of its id, or through its agent, and that agent. Fails with
 * `NotFound`, and with `Usage` when several match.
 */
export const query = Effect.fnUntraced(function* (
  text: string,
  choice: Choice
): Effect.fn.Return<
  { readonly query: Query.Query; readonly agent: Agent.Agent },
  Failure,
  StateStore.StateStore
> {
  const store = yield* StateStore.StateStore
  if (text.startsWith("qry_")) {
    const found = yield* onlyQuery(text, yield* store.findQueries(text))
    return { query: found, agent: yield* store.getAgent(found.agentId) }
  }
  const agent = yield* one(text)
  return { query: yield* choice(agent), agent }
})
