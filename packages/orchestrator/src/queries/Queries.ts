import {
  type Agent,
  type AgentEvent,
  type Budget,
  type RemoteAgentConfig,
  Id,
  OrchestratorError,
  Query
} from "@remote-agent/domain"
import { DateTime, Duration, Effect, Option, Stream } from "effect"
import type { Agents, ReplaceOptions } from "../agents/Agents.ts"
import type { AgentRuntime } from "../runtime/AgentRuntime.ts"
import type { AgentSandboxes } from "../agents/AgentSandboxes.ts"
import { Profiles } from "../profiles/Profiles.ts"
import * as QueryExecution from "./QueryExecution.ts"
import { cancelled as cancelledMessage } from "./queryOutcome.ts"
import type { EventLog } from "./QueryRun.ts"
import * as QueryHandle from "./QueryHandle.ts"
import * as QueryStore from "./QueryStore.ts"
import * as QueryTrace from "./traceParent.ts"
import * as AgentStore from "../state/AgentStore.ts"
import * as QueryCommand from "../runtime/queryCommand.ts"
import { StateStore } from "../state/StateStore.ts"
import type * as AgentLocks from "../agents/AgentLocks.ts"

/** How a query is run. */
export interface QueryOptions {
  /** The id of the query, for callers that must know it in advance; generated when absent. */
  readonly id?: Id.QueryId | undefined
  /**
   * The conversation that the query belongs to: it sees the earlier queries of the same session. A query without a
   * session is a conversation of its own.
   */
  readonly session?: string | undefined
  /** Whether the session starts over with this query. */
  readonly newSession?: boolean | undefined
  /** Whether a query without a `session` continues the conversation of the agent's last query. */
  readonly continue?: boolean | undefined
  /** The wall timeout of the query; that of the profile when absent. */
  readonly timeout?: Duration.Input | undefined
  /** `false` for a paused agent that must stay paused; the query fails with `AgentPaused` then. */
  readonly resume?: boolean | undefined
  /**
   * Whether an agent that was lost or has failed gets a new and empty sandbox. The first event of the query says so.
   */
  readonly replace?: boolean | ReplaceOptions | undefined
  /** The model to use; that of the profile when absent. */
  readonly model?: string | undefined
  /** How many steps the agent may take; the agent's own limit when absent. */
  readonly maxIterations?: number | undefined
  /** What this query may use. */
  readonly budget?: Budget.Budget | undefined
}

/** How a query is run on an agent of a pool. */
export interface PooledOptions extends QueryOptions {
  /** What all agents of a pool without a name may use together. */
  readonly poolBudget?: Budget.Budget | undefined
}

type Failure = OrchestratorError.OrchestratorError

/** The queries of agents. */
export interface Queries {
  readonly stream: (agentId: Id.AgentId, text: string, options?: PooledOptions) => EventLog
  /** Runs a query to its end and passes every event to `onEvent`. */
  readonly query: (
    agentId: Id.AgentId,
    text: string,
    options?: PooledOptions,
    onEvent?: (record: AgentEvent.EventRecord) => Effect.Effect<void>
  ) => Effect.Effect<Query.QueryResult, Failure>
  /**
   * Runs a query under an id that the caller chose and recorded. A query of this id that exists is followed to its end
   * and not started again. Leaving the stream leaves the query running.
   */
  readonly submit: (id: Id.QueryId, agentId: Id.AgentId, text: string, options?: PooledOptions) => EventLog
  /** Closes a query that was recorded and not started. Others stay as they are. */
  readonly abandon: (id: Id.QueryId) => Effect.Effect<void, Failure>
  readonly start: (
    agentId: Id.AgentId,
    text: string,
    options?: QueryOptions
  ) => Effect.Effect<Query.Query, Failure>
  /** Records a query and starts nothing. The first process that follows its events runs it. */
  readonly enqueue: (
    agentId: Id.AgentId,
    text: string,
    options?: QueryOptions
  ) => Effect.Effect<Query.Query, Failure>
  readonly events: (id: Id.QueryId, fromSeq?: number) => EventLog
  readonly cancel: (id: Id.QueryId, by?: string) => Effect.Effect<Query.Query, Failure>
  readonly acquireIdle: AgentLocks.AcquireIdle
}

/** Runs queries, one at a time per agent. Every event is stored before it is shown. */
export const make = Effect.fnUntraced(function* (
  agents: Agents,
  places: AgentSandboxes,
  turns: AgentLocks.AgentLocks
): Effect.fn.Return<
  Queries,
  never,
  AgentRuntime | AgentStore.AgentStore | StateStore | Profiles | RemoteAgentConfig.RemoteAgentConfig
> {
  const [store, profiles] = yield* Effect.all([StateStore, Profiles])
  const runs = yield* QueryExecution.make(places, turns)

  /** The session of the last query of an agent. */
  const lastSession = (agentId: Id.AgentId) =>
    Effect.map(
      store.newestQuery(agentId),
      (found) => Option.getOrUndefined(found)?.session ?? QueryStore.unnamedSession
    )

  const record = Effect.fnUntraced(function* (
    agentId: Id.AgentId,
    text: string,
    options: QueryOptions,
    known?: Id.QueryId
  ) {
    const { budget, maxIterations, model, newSession, resume, timeout } = options
    const session = options.session ?? (options.continue === true ? yield* lastSession(agentId) : undefined)
    const id = known ?? options.id ?? (yield* Id.nextQueryId)
    const wall = timeout === undefined ? undefined : Duration.fromInputUnsafe(timeout)
    const trace = yield* QueryTrace.here
    const query = new Query.Query({
      id,
      agentId,
      text,
      status: "queued",
      createdAt: yield* DateTime.now,
      ...(session === undefined ? {} : { session }),
      ...(newSession === undefined ? {} : { newSession }),
      ...(resume === undefined ? {} : { resume }),
      ...(model === undefined ? {} : { model }),
      ...(maxIterations === undefined ? {} : { maxIterations }),
      ...(budget === undefined ? {} : { budget }),
      ...(wall === undefined ? {} : { timeouts: new Query.QueryTimeouts({ wall }) }),
      ...(trace === undefined ? {} : { trace })
    })
    yield* store.createQuery(query)
    return query
  })

  /** Replaces the sandbox of a lost or failed agent, where the options ask for it. */
  const replaced = Effect.fnUntraced(function* ({ id, status }: Agent.Agent, { replace }: QueryOptions) {
    if (replace === undefined || replace === false || (status !== "lost" && status !== "failed")) return false
    yield* agents.replace(id, replace === true ? {} : replace)
    return true
  })

  const announcement: AgentEvent.AgentEvent = {
    type: "notice",
    text: "The agent has a new sandbox: files and sessions of the old one are gone.",
    by: "orchestrator"
  }

  /** Checks a query before it is recorded, and tells whether its agent got a new sandbox for it. */
  const checked = Effect.fnUntraced(function* (
    operation: string,
    agentId: Id.AgentId,
    options: QueryOptions
  ) {
    // Checked before a sandbox is resumed or replaced, and before the query is recorded.
    const agent = yield* AgentStore.stored(operation, store.getAgent(agentId))
    const { run } = yield* profiles.get(agent.profile)
    const wall = options.timeout === undefined ? run.wallTimeout : Duration.fromInputUnsafe(options.timeout)
    yield* places.checkTimeout(operation, wall)
    const option = QueryCommand.unsupported(run, options)
    if (option !== undefined) {
      const { profile } = agent
      return yield* AgentStore.failure(
        operation,
        new OrchestratorError.OptionUnsupported({ profile, option })
      )
    }
    const isNew = yield* replaced(agent, options)
    yield* places.of(operation, agentId, options)
    return isNew
  })

  /** Records a query. It is aborted when the scope closes before it was started. */
  const asked = Effect.fnUntraced(function* (
    operation: string,
    agentId: Id.AgentId,
    text: string,
    options: QueryOptions
  ) {
    const isNew = yield* checked(operation, agentId, options)
    const query = yield* Effect.acquireRelease(
      AgentStore.stored(operation, record(agentId, text, options)),
      ({ id }) =>
        Effect.gen(function* () {
          if ((yield* store.getQuery(id)).status === "queued")
            yield* runs.close(id, "aborted", cancelledMessage)
        }).pipe(Effect.catch((error) => Effect.logError("The end of a query could not be recorded", error)))
    )
    return { query, announce: isNew ? announcement : undefined }
  })

  const stream: Queries["stream"] = (agentId, text, options = {}) =>
    Stream.unwrap(
      Effect.map(asked("query", agentId, text, options), ({ announce, query }) =>
        runs.drive("query", query, { ...options, announce, detach: false, from: 0 })
      )
    ).pipe(Stream.withSpan("Orchestrator.stream", { attributes: { agentId } }))

  const submit: Queries["submit"] = (id, agentId, text, options = {}) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const known = yield* AgentStore.stored(
          "submit",
          Effect.catchReason(record(agentId, text, options, id), "StateStoreError", "AlreadyExists", () =>
            store.getQuery(id)
          )
        )
        return runs.drive("submit", known, { poolBudget: options.poolBudget, detach: true, from: 0 })
      })
    ).pipe(Stream.withSpan("Orchestrator.submit", { attributes: { agentId, queryId: id } }))

  const abandon: Queries["abandon"] = Effect.fn("Orchestrator.abandon")(function* (id) {
    const known = yield* Effect.catchReason(
      Effect.asSome(store.getQuery(id)),
      "StateStoreError",
      "NotFound",
      () => Effect.succeedNone
    ).pipe(Effect.mapError(AgentStore.fromStore("abandon")))
    if (Option.isNone(known) || known.value.status !== "queued") return
    // Under the lock of the agent, so that no process is about to start it.
    const lock = yield* turns.acquire("abandon", known.value.agentId)
    if ((yield* AgentStore.stored("abandon", store.getQuery(id))).status !== "queued") return
    yield* AgentStore.stored("abandon", runs.close(id, "aborted", cancelledMessage, lock))
  }, Effect.scoped)

  const query: Queries["query"] = Effect.fn("Orchestrator.query")(function* (
    agentId,
    text,
    options = {},
    onEvent = () => Effect.void
  ) {
    const last = Option.getOrThrow(yield* Stream.runLast(Stream.tap(stream(agentId, text, options), onEvent)))
    return yield* QueryHandle.resultOf("query", { agentId, id: last.queryId, text }, Option.some(last))
  })

  const start: Queries["start"] = Effect.fn("Orchestrator.start")(function* (agentId, text, options = {}) {
    const { announce, query: queued } = yield* asked("start", agentId, text, options)
    const turn = yield* turns.acquire("start", agentId)
    yield* runs.settle("start", turn, agentId)
    yield* runs.launch("start", turn, queued, { ...options, announce })
    return yield* AgentStore.stored("start", store.getQuery(queued.id))
  }, Effect.scoped)

  const enqueue: Queries["enqueue"] = Effect.fn("Orchestrator.enqueue")(function* (
    agentId,
    text,
    options = {}
  ) {
    yield* checked("enqueue", agentId, options)
    return yield* AgentStore.stored("enqueue", record(agentId, text, options))
  })

  /** Ends a queued query that cannot be started, because no other process would. A paused agent may still be resumed. */
  const endUnstarted = (id: Id.QueryId, { message, reason }: Failure) =>
    reason._tag === "TakenOver" || reason._tag === "StoreFailed" || reason._tag === "AgentPaused"
      ? Effect.void
      : Effect.flatMap(store.getQuery(id), ({ status }) =>
          status === "queued" ? runs.close(id, "aborted", message) : Effect.void
        ).pipe(Effect.catch((error) => Effect.logError("The end of a query could not be recorded", error)))

  const getQuery = (operation: string, id: Id.QueryId) => AgentStore.stored(operation, store.getQuery(id))

  /** The options of a span for work on a query, within the trace of the query. */
  const traced = (id: Id.QueryId) =>
    // A query that cannot be read makes the next step fail.
    Effect.flatMap(Effect.option(store.getQuery(id)), (found) =>
      QueryTrace.within(Option.getOrUndefined(found)?.trace, { attributes: { queryId: id } })
    )

  const events: Queries["events"] = (id, fromSeq = 0) => {
    let [next, orphaned, pause] = [fromSeq, false, 0]
    const waits = [25, 50, 100, 200, 350, 500]
    const told = Stream.paginate(fromSeq, (from) =>
      Effect.gen(function* () {
        if (from !== fromSeq || pause > 0) yield* Effect.sleep(waits[pause] ?? 500)
        // Read before the log, so that the log holds everything up to this status.
        const { agentId, status } = yield* getQuery("events", id)
        const records = yield* AgentStore.stored("events", Stream.runCollect(store.events(id, next)))
        next += records.length
        pause = records.length > 0 ? 0 : Math.min(pause + 1, waits.length - 1)
        if (status === "ended") return [records, Option.none<number>()] as const
        if (Option.isSome(yield* turns.holder("events", agentId)))
          return [records, Option.some(next)] as const
        orphaned = true
        return [records, Option.none<number>()] as const
      })
    )
    const rest = Stream.unwrap(
      Effect.gen(function* () {
        if (!orphaned) return Stream.empty
        return Stream.tapError(
          runs.drive("events", yield* getQuery("events", id), { detach: true, from: next }),
          (error) => endUnstarted(id, error)
        )
      })
    )
    return Stream.unwrap(
      Effect.map(traced(id), (options) =>
        Stream.withSpan(Stream.concat(told, rest), "Orchestrator.events", options)
      )
    )
  }

  const cancelled = Effect.fnUntraced(function* (id: Id.QueryId, by?: string) {
    const asks = yield* AgentStore.stored("cancel", store.requestCancel(id, by))
    if (asks.status === "ended") return asks
    if (asks.status === "queued")
      yield* AgentStore.stored("cancel", runs.close(id, "aborted", cancelledMessage))
    yield* runs.stop(id)
    // The process that runs the query ends it, or the next one that follows it when that process has died.
    yield* Stream.runDrain(events(id))
    return yield* getQuery("cancel", id)
  })

  const cancel: Queries["cancel"] = (id, by) =>
    Effect.flatMap(traced(id), (options) =>
      cancelled(id, by).pipe(Effect.withSpan("Orchestrator.cancel", options))
    )

  const acquireIdle: Queries["acquireIdle"] = Effect.fnUntraced(function* (operation, agentId, whenRunning) {
    const of = (status: Query.QueryStatus) =>
      AgentStore.stored(operation, Stream.runCollect(store.listQueries({ agentId, status })))
    const ids = (yield* of("running")).map(({ id }) => id)
    // Queued queries count only while a process is there that will run them.
    const busy = Option.isSome(yield* turns.holder(operation, agentId))
    const [queryId] = busy && ids.length === 0 ? (yield* of("queued")).map(({ id }) => id) : ids
    if (queryId !== undefined && whenRunning === "refuse") {
      return yield* AgentStore.failure(
        operation,
        new OrchestratorError.QueryRunning({ id: agentId, queryId })
      )
    }
    if (whenRunning === "cancel") yield* Effect.forEach(ids, (id) => cancel(id), { discard: true })
    const turn = yield* turns.acquire(operation, agentId)
    yield* runs.settle(operation, turn, agentId)
    return turn
  })

  return { stream, submit, abandon, query, start, enqueue, events, cancel, acquireIdle }
})
