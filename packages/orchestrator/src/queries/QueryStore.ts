import { Agent, Query, type StateStoreError, type TokenUsage } from "@remote-agent/domain"
import { DateTime, Duration, Effect } from "effect"
import type { AgentSandbox } from "../runtime/AgentRuntime.ts"
import { jobOf } from "../runtime/QueryProcess.ts"
import * as AgentStore from "../state/AgentStore.ts"
import type * as QueryCommand from "../runtime/queryCommand.ts"
import type { StateStore } from "../state/StateStore.ts"
import type * as AgentLocks from "../agents/AgentLocks.ts"

/** The name of the conversation of a query that names none. Each such query starts it over, unless it continues it. */
export const unnamedSession = "default"

/** Whether a query starts its conversation over. */
const startsOver = ({ newSession, session }: Query.Query): boolean =>
  newSession === true || session === undefined

/** The agent with this session. Totals of sessions that cannot be continued are dropped. */
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

/** The job of a query. It is recorded before it is started, and its id can be started only once. */
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

/** The request to the program of an agent, with what it may spend and the time that its job was given. */
export const requestOf = (
  { profile }: AgentSandbox,
  query: Query.Query,
  agent: Agent.Agent,
  budgetUsd: number | undefined,
  job: Query.QueryJob | undefined
): QueryCommand.Request => ({
  id: query.id,
  text: query.text,
  ...(query.session === undefined && profile.session?.kind !== "runner-file"
    ? {}
    : { session: query.session ?? unnamedSession, newSession: startsOver(query) }),
  agentSession: agent.sessions?.[query.session ?? unnamedSession],
  model: query.model,
  maxIterations: query.maxIterations,
  budgetUsd,
  wallTimeout: job?.timeLeft?.time ?? query.timeouts?.wall
})

/** What queries change in the records of their agents. */
export interface QueryStore {
  /** Counts a query, and forgets the agent's own id of a session that starts over. */
  readonly counted: (
    query: Query.Query,
    turn: AgentLocks.AgentLock,
    known: Agent.Agent
  ) => Result<Agent.Agent>
  /** Records the agent's own id of the session and its total, so that the next query can continue it. */
  readonly keepSession: (
    query: Query.Query,
    sessionId: string,
    total: TokenUsage.SessionTotal | undefined,
    turn: AgentLocks.AgentLock
  ) => Result<void>
  /** Forgets the agent's own id of a session that its program could not continue: the next query starts it over. */
  readonly forgetSession: (query: Query.Query, turn: AgentLocks.AgentLock) => Result<void>
}

type Result<A> = Effect.Effect<A, StateStoreError.StateStoreError>

/** The sessions of an agent but for one. */
const without = (sessions: Agent.Agent["sessions"] = {}, name: string | undefined) => {
  const { [name ?? unnamedSession]: _, ...others } = sessions
  return others
}

/** The records of a store. */
export const make = (
  store: StateStore["Service"],
  { change }: AgentStore.AgentStore["Service"]
): QueryStore => {
  const counted = Effect.fnUntraced(function* (
    query: Query.Query,
    turn: AgentLocks.AgentLock,
    known: Agent.Agent
  ) {
    const { session } = query
    const now = yield* DateTime.now
    return yield* change(
      known,
      (agent) => {
        const { sessions, ...rest } = agent
        const kept = startsOver(query) ? without(sessions, session) : sessions
        return new Agent.Agent({
          ...rest,
          queryCount: agent.queryCount + 1,
          lastQueryAt: now,
          ...(kept === undefined || Object.keys(kept).length === 0 ? {} : { sessions: kept })
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
    const name = query.session ?? unnamedSession
    const agent = yield* store.getAgent(query.agentId)
    if (agent.sessions?.[name] === sessionId && total === undefined) return
    yield* store.updateAgent(withSession(agent, name, sessionId, total), turn.lease)
  }, Effect.retry(AgentStore.startOver))

  const forgetSession = Effect.fnUntraced(function* (
    { agentId, session }: Query.Query,
    turn: AgentLocks.AgentLock
  ) {
    yield* change(
      agentId,
      (agent) => new Agent.Agent({ ...agent, sessions: without(agent.sessions, session) }),
      turn.lease
    )
  })

  return { counted, forgetSession, keepSession }
}
