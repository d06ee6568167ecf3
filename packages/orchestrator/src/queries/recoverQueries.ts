import {
  type AgentEvent,
  type Id,
  type OrchestratorError,
  type Query,
  type StateStoreError,
  TokenUsage
} from "@remote-agent/domain"
import { Clock, DateTime, Effect, Stream } from "effect"
import type { AgentLock } from "../agents/AgentLocks.ts"
import { failedResult } from "../protocols/EventReader.ts"
import * as AgentStore from "../state/AgentStore.ts"
import type { StateStore } from "../state/StateStore.ts"
import * as QueryMeter from "./QueryMeter.ts"
import type { EventLog } from "./QueryRun.ts"
import * as QueryTrace from "./traceParent.ts"

type Failure = OrchestratorError.OrchestratorError

/** Follows the program of a query that another process started. */
type Follow = (operation: string, lock: AgentLock, query: Query.Query) => EventLog

/** Ends queries whose process died. Every caller holds the lock of the agent, so no process runs them. */
export interface RecoverQueries {
  /** Follows a query to its end, and ends its log where there is nothing to follow. Starts nothing. */
  readonly follow: Follow
  /** Follows all queries of an agent that are recorded as running, but for one. */
  readonly settle: (
    operation: string,
    lock: AgentLock,
    agentId: Id.AgentId,
    except?: Id.QueryId
  ) => Effect.Effect<void, Failure>
  /** Ends the log of a query unless it has ended, and returns the events that this added. */
  readonly close: (
    id: Id.QueryId,
    outcome: AgentEvent.Outcome,
    why: string,
    lock?: AgentLock
  ) => Effect.Effect<ReadonlyArray<AgentEvent.EventRecord>, StateStoreError.StateStoreError>
}

/** Recovers the queries of a store; `run` follows the program of one. */
export const make = (store: StateStore["Service"], run: Follow): RecoverQueries => {
  const usedBy = (id: Id.QueryId) =>
    Effect.map(Stream.runCollect(store.events(id, 0)), (known) =>
      QueryMeter.usedIn(known.map(({ event }) => event))
    )

  const close: RecoverQueries["close"] = Effect.fnUntraced(
    function* (id, outcome, why, lock) {
      const query = yield* store.getQuery(id)
      if (query.status === "ended") return []
      const since = query.startedAt ?? query.createdAt
      const wallMillis = (yield* Clock.currentTimeMillis) - DateTime.toEpochMillis(since)
      const used = query.status === "running" ? yield* usedBy(id) : TokenUsage.zero
      return yield* store.appendEvents(id, [failedResult(outcome, why, wallMillis, used)], lock?.lease)
    },
    Effect.catchReason("StateStoreError", "LogClosed", () => Effect.succeed([]))
  )

  const follow: Follow = (operation, lock, query) => {
    const { agentId, id, trace } = query
    const ended = (outcome: AgentEvent.Outcome, why: string): EventLog =>
      Stream.fromIterableEffect(AgentStore.stored(operation, close(id, outcome, why, lock)))
    const rest = run(operation, lock, query).pipe(
      Stream.catchReasons("OrchestratorError", {
        AgentNotReady: () => ended("aborted", "Its agent was terminated."),
        // The result in the log says so.
        BudgetExceeded: () => Stream.empty,
        AgentLost: () => ended("crash", "The sandbox of its agent no longer exists.")
      })
    )
    return Stream.unwrap(
      Effect.map(QueryTrace.within(trace, { attributes: { agentId, queryId: id } }), (options) =>
        Stream.withSpan(rest, "Orchestrator.takeOver", options)
      )
    )
  }

  const settle: RecoverQueries["settle"] = Effect.fnUntraced(function* (operation, lock, agentId, except) {
    const running = yield* AgentStore.stored(
      operation,
      Stream.runCollect(store.listQueries({ agentId, status: "running" }))
    )
    yield* Effect.forEach(
      running.filter(({ id }) => id !== except),
      (query) => Stream.runDrain(follow(operation, lock, query)),
      { discard: true }
    )
  })

  return { close, follow, settle }
}
