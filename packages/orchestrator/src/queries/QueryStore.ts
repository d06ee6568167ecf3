import { Agent, Query, type StateStoreError, type TokenUsage } from "@remote-agent/domain"
import { DateTime, Duration, Effect } from "effect"
import type { AgentSandbox } from "../runtime/AgentRuntime.ts"
import { jobOf } from "../runtime/QueryProcess.ts"
import * as AgentStore from "../state/AgentStore.ts"
import type * as QueryCommand from "../runtime/queryCommand.ts"
import type { StateStore } from "../state/StateStore.ts"
import type * as AgentLocks from "../agents/AgentLocks.ts"

/** The name of the session of queries that name none. */
const defaultSession = "default"

/** An agent that has this session, and of the totals of sessions those that can be gone on with. */
const withSession = (
  agent: Agent.Agent,
  name: string,
  id: string,
  total: TokenUsage.SessionTotal | undefined
): Agent.Agent => {
  const sessions = { ...agent.sessions, [name]: id }
  if (total === undefined) return new Agent.Agent({ ...agent, sessions })
  const used = new Set(Object.values(sessions))
  const others = Object.entries(agent.sessionTotals ?? {}).filter(([one]) => one !== id && used.has(one))
  return new Agent.Agent({ ...agent, sessions, sessionTotals: Object.fromEntries([...others, [id, total]]) })
}

/** The job of a query, as it is named in the store before it is started under an id that can be started once. */
export const namedJob = (
  place: AgentSandbox,
  { id, timeouts }: Query.Query,
  left: Query.TimeLeft | undefined
): Query.QueryJob => {
  const wall = timeouts?.wall ?? place.profile.run.wallTimeout
  return new Query.QueryJob({
    ...jobOf(place, id),
    ...(left === undefined || Duration.isGreaterThan(left.time, wall) ? {} : { timeLeft: left })
  })
}

/** What the program of an agent is asked, with what may be spent on it and the time that its job was given. */
export const requestOf = (
  query: Query.Query,
  agent: Agent.Agent,
  budgetUsd: number | undefined,
  job: Query.QueryJob | undefined
): QueryCommand.Request => ({
  id: query.id,
  text: query.text,
  session: query.session,
  newSession: query.newSession,
  agentSession: agent.sessions?.[query.session ?? defaultSession],
  model: query.model,
  maxIterations: query.maxIterations,
  budgetUsd,
  wallTimeout: job?.timeLeft?.time ?? query.timeouts?.wall
})

/** What queries leave in the records of their agents. */
export interface QueryStore {
  /** Counts a query, and forgets the agent's own id of a session that begins anew. */
  readonly counted: (query: Query.Query, turn: AgentLocks.AgentLock) => Result<Agent.Agent>
  /** Remembers the agent's own id of the session, so that the next query of it can go on with it, and its total. */
  readonly keepSession: (
    query: Query.Query,
    sessionId: string,
    total: TokenUsage.SessionTotal | undefined,
    turn: AgentLocks.AgentLock
  ) => Result<void>
}

type Result<A> = Effect.Effect<A, StateStoreError.StateStoreError>

/** The records of a store. */
export const make = (store: StateStore["Service"]): QueryStore => {
  const { change } = AgentStore.make(store)

  const counted = Effect.fnUntraced(function* (
    { agentId, newSession, session }: Query.Query,
    turn: AgentLocks.AgentLock
  ) {
    const now = yield* DateTime.now
    return yield* change(
      agentId,
      (agent) => {
        const { [session ?? defaultSession]: _, ...others } = agent.sessions ?? {}
        return new Agent.Agent({
          ...agent,
          queryCount: agent.queryCount + 1,
          lastQueryAt: now,
          ...(newSession === true ? { sessions: others } : {})
        })
      },
      turn.lease
    )
  })

  const keepSession = Effect.fnUntraced(function* (
    query: Query.Query,
    sessionId: string,
    total: TokenUsage.SessionTotal | undefined,
    turn: AgentLocks.AgentLock
  ) {
    const name = query.session ?? defaultSession
    const agent = yield* store.getAgent(query.agentId)
    if (agent.sessions?.[name] === sessionId && total === undefined) return
    yield* change(query.agentId, (known) => withSession(known, name, sessionId, total), turn.lease)
  })

  return { counted, keepSession }
}
