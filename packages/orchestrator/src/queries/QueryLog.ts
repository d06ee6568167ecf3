import { type AgentEvent, type OrchestratorError, type Query, type TokenUsage } from "@remote-agent/domain"
import { Effect } from "effect"
import type { AgentLock } from "../agents/AgentLocks.ts"
import * as AgentStore from "../state/AgentStore.ts"
import type { StateStore } from "../state/StateStore.ts"
import * as QueryMeter from "./QueryMeter.ts"
import type { QueryStore } from "./QueryStore.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * The log of one query, as the process that holds the lock of its agent writes it.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryLog {
  /** Appends events that the agent's program told, and keeps the session that they name. */
  readonly append: (
    events: ReadonlyArray<AgentEvent.AgentEvent>
  ) => Effect.Effect<ReadonlyArray<AgentEvent.EventRecord>, Failure>
  /** How many events of the program are in the log: where reading its output goes on. */
  readonly told: () => number
  /** What the query has used, as its events tell. */
  readonly used: () => TokenUsage.TokenUsage
}

/** What a log is written with. */
interface Options {
  readonly store: StateStore["Service"]
  readonly records: QueryStore
  readonly operation: string
  readonly lock: AgentLock
  readonly query: Query.Query
  /** The events that are in the log already. */
  readonly known: ReadonlyArray<AgentEvent.EventRecord>
  /** Whether the program was told to continue a conversation by its own id of it. */
  readonly resumed: boolean
  /** What the session of the query has used in all, when its program told. */
  readonly sessionTotal: () => TokenUsage.SessionTotal | undefined
}

const sessionOf = (event: AgentEvent.AgentEvent): string | undefined =>
  event.type === "session" || event.type === "result" ? event.sessionId : undefined

/** Whether an event shows that the agent works on the query, so that its conversation exists. */
const isProgress = (event: AgentEvent.AgentEvent): boolean => {
  switch (event.type) {
    case "thinking":
    case "text":
    case "usage":
    case "tool_start":
    case "tool_progress":
    case "tool_end":
    case "tool_error":
      return true
    case "result":
      return (
        (event.outcome !== "crash" && event.outcome !== "error") ||
        event.usage.inputTokens + event.usage.outputTokens > 0
      )
    default:
      return false
  }
}

/** Opens the log of a query for writing. */
export const make = ({
  known,
  lock,
  operation,
  query,
  records,
  resumed,
  sessionTotal,
  store
}: Options): QueryLog => {
  // Notices of our own are not events of the program, which are counted to go on where the log ends.
  let told = known.filter(({ event }) => event.type !== "notice" || event.by === undefined).length
  let used = QueryMeter.usedIn(known.map(({ event }) => event))

  // A program names its session before the conversation is on its disk, and may refuse to continue one.
  let progressed = known.some(({ event }) => isProgress(event))
  let session = known.map(({ event }) => sessionOf(event)).findLast((id) => id !== undefined)

  const keepSession = Effect.fnUntraced(function* (events: ReadonlyArray<AgentEvent.AgentEvent>) {
    progressed ||= events.some(isProgress)
    session = events.map(sessionOf).findLast((id) => id !== undefined) ?? session
    const result = events.find((event) => event.type === "result")
    if (progressed && session !== undefined) {
      yield* records.keepSession(query, session, sessionTotal(), lock)
    } else if (resumed && (result?.outcome === "crash" || result?.outcome === "error")) {
      yield* records.forgetSession(query, lock)
    }
  })

  const append = Effect.fnUntraced(
    function* (events: ReadonlyArray<AgentEvent.AgentEvent>) {
      const written = yield* store.appendEvents(query.id, events, lock.lease)
      told += events.length
      used = QueryMeter.usedIn(events, used)
      yield* keepSession(events)
      return written
    },
    Effect.mapError(AgentStore.fromStore(operation))
  )

  return { append, told: () => told, used: () => used }
}
