import { type Agent, Id, type Query } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect, Option, Schema, Stream } from "effect"
import { type Failure, NotFound } from "../ui/Failure.ts"
import * as Named from "./Named.ts"

const isQueryId = Schema.is(Id.QueryId)

/** Which of an agent's queries is meant. */
type Choice = (agent: Agent.Agent) => Effect.Effect<Query.Query, Failure, StateStore.StateStore>

/** The newest one. Fails with `NotFound` when the agent was never asked. */
export const newest: Choice = Effect.fnUntraced(function* ({ id, name }) {
  const { listQueries } = yield* StateStore.StateStore
  const last = yield* Stream.runLast(listQueries({ agentId: id }))
  if (Option.isSome(last)) return last.value
  return yield* new NotFound({
    message: `Agent ${name} was never asked. Ask it with \`remote-agent query\`.`
  })
})

/** The one that it answers, else the first that waits. Fails with `NotFound` when there is none. */
export const current: Choice = Effect.fnUntraced(function* ({ id, name }) {
  const { listQueries } = yield* StateStore.StateStore
  for (const status of ["running", "queued"] as const) {
    const first = yield* Stream.runHead(listQueries({ agentId: id, status }, { limit: 1 }))
    if (Option.isSome(first)) return first.value
  }
  return yield* new NotFound({
    message: `Agent ${name} answers no query. See its last one with \`remote-agent logs\`.`
  })
})

/** The query that somebody means, by its id or through its agent, and that agent. */
export const query = Effect.fnUntraced(function* (
  text: string,
  choice: Choice
): Effect.fn.Return<
  { readonly query: Query.Query; readonly agent: Agent.Agent },
  Failure,
  StateStore.StateStore
> {
  const store = yield* StateStore.StateStore
  if (isQueryId(text)) {
    const found = yield* store.getQuery(text)
    return { query: found, agent: yield* store.getAgent(found.agentId) }
  }
  if (text.startsWith("qry_")) {
    return yield* new NotFound({
      message: `There is no query ${text}. Give the whole id, or name the agent for its last one.`
    })
  }
  const agent = yield* Named.agent(text)
  return { query: yield* choice(agent), agent }
})
