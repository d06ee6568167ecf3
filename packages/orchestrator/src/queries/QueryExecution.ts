import {
  type AgentEvent,
  type Budget,
  RemoteAgentConfig,
  type Id,
  type OrchestratorError,
  Price,
  type Query,
  type SandboxError,
  type StateStoreError,
  TokenUsage
} from "@remote-agent/domain"
import { Clock, Data, DateTime, Deferred, Duration, Effect, Option, Stream } from "effect"
import { AgentRuntime } from "../runtime/AgentRuntime.ts"
import * as BudgetGuard from "./BudgetGuard.ts"
import * as EventReader from "../protocols/EventReader.ts"
import type { AgentSandboxes } from "../agents/AgentSandboxes.ts"
import { Profiles } from "../profiles/Profiles.ts"
import * as QueryMeter from "./QueryMeter.ts"
import * as QueryStore from "./QueryStore.ts"
import * as QueryTrace from "./traceParent.ts"
import * as AgentStore from "../state/AgentStore.ts"
import { StateStore } from "../state/StateStore.ts"
import * as AgentLocks from "../agents/AgentLocks.ts"

type Failure = OrchestratorError.OrchestratorError

/** Events as the store has them. */
export type EventLog = Stream.Stream<AgentEvent.EventRecord, Failure>

/** How a query is run, beside what its record says. */
export interface RunOptions {
  /** Whether it goes on when the stream is left; else it is stopped then. */
  readonly detach: boolean
  /** What its log says first. */
  readonly announce?: AgentEvent.AgentEvent | undefined
  /** What all agents of its pool may use together; as the store has it by the pool's name when absent. */
  readonly poolBudget?: Budget.Budget | undefined
}

/** Brings queries to their end, each in a turn of its agent. */
export interface QueryExecution {
  /** Waits for the turn of a query and tells its log from a place on, to its end, whatever of it was done by others. */
  readonly drive: (
    operation: string,
    query: Query.Query,
    options: RunOptions & { readonly from: number }
  ) => EventLog
  /** Has the job of a query started in a turn, and does not wait for it. */
  readonly launch: (
    operation: string,
    turn: AgentLocks.AgentLock,
    query: Query.Query,
    options: Pick<RunOptions, "announce">
  ) => Effect.Effect<void, Failure>
  /** Brings the queries of an agent to their end whose process died; nobody else's, as whoever calls has the turn. */
  readonly settle: (
    operation: string,
    turn: AgentLocks.AgentLock,
    agentId: Id.AgentId,
    except?: Id.QueryId
  ) => Effect.Effect<void, Failure>
  /** Ends the log of a query that nobody answers, unless it has ended. */
  readonly close: (
    id: Id.QueryId,
    outcome: AgentEvent.Outcome,
    why: string,
    turn?: AgentLocks.AgentLock
  ) => Effect.Effect<void, StateStoreError.StateStoreError>
  /** Ends a query that runs here, and says whether there is one. */
  readonly stop: (id: Id.QueryId) => Effect.Effect<boolean>
}

/** What is said of a query that somebody stopped. */
export const stoppedEarly = "The query was stopped before it ended."

/** What is said of a query whose agent somebody terminated. */
const agentEnded = "Its agent was terminated before the query ended."

const isEnded = ({ reason }: Failure): boolean =>
  reason._tag === "AgentNotReady" && reason.status === "terminated"

/** How long it may take to stop a program whose reader has left. */
const stopLimit = Duration.seconds(30)

/** Somebody wants the end of a query that runs. */
class Stopped extends Data.TaggedError("Stopped")<{ readonly why: Failure | undefined }> {}

/** Whether a failure says nothing of how a job fares: it may go on, and whoever comes next can tell. */
const isUncertain = ({ reason }: SandboxError.SandboxError): boolean =>
  reason._tag === "Unreachable" ||
  reason._tag === "RequestTimedOut" ||
  reason._tag === "ProviderFailed" ||
  reason._tag === "RateLimited" ||
  reason._tag === "Busy"

/** How often a query goes on in a sandbox that was put to sleep under it. */
const wakeUps = 5

const stoppedBy = (effect: Effect.Effect<never, Failure>) =>
  Effect.mapError(effect, (why) => new Stopped({ why }))

/** Runs the queries of agents. */
export const make = Effect.fnUntraced(function* (
  places: AgentSandboxes,
  turns: AgentLocks.AgentLocks
): Effect.fn.Return<
  QueryExecution,
  never,
  AgentRuntime | StateStore | Profiles | RemoteAgentConfig.RemoteAgentConfig
> {
  const [runtime, store, profiles, { REMOTE_AGENT_PRICES: prices }] = yield* Effect.all([
    AgentRuntime,
    StateStore,
    Profiles,
    RemoteAgentConfig.RemoteAgentConfig
  ])
  const { beat } = yield* AgentLocks.Policy
  const { counted, keepSession } = QueryStore.make(store)
  const allowance = BudgetGuard.make(store)
  /** Ends the queries that run here. */
  const running = new Map<Id.QueryId, Deferred.Deferred<never, Stopped>>()

  const usedBy = (id: Id.QueryId) =>
    Effect.map(Stream.runCollect(store.events(id, 0)), (known) =>
      QueryMeter.usedIn(known.map(({ event }) => event))
    )

  /** Ends the log of a query that nobody answers. */
  const close = Effect.fnUntraced(
    function* (id: Id.QueryId, outcome: AgentEvent.Outcome, why: string, turn?: AgentLocks.AgentLock) {
      const query = yield* store.getQuery(id)
      if (query.status === "ended") return []
      const since = query.startedAt ?? query.createdAt
      const wallMillis = (yield* Clock.currentTimeMillis) - DateTime.toEpochMillis(since)
      const used = query.status === "running" ? yield* usedBy(id) : TokenUsage.zero
      return yield* store.appendEvents(
        id,
        [EventReader.failedResult(outcome, why, wallMillis, used)],
        turn?.lease
      )
    },
    Effect.catchReason("StateStoreError", "LogClosed", () => Effect.succeed([]))
  )

  /** Waits until somebody asks for the end of a query, here or elsewhere. */
  const cancelled = Effect.fnUntraced(function* (id: Id.QueryId) {
    for (;;) {
      yield* Effect.sleep(beat)
      const query = yield* Effect.option(store.getQuery(id))
      if (Option.isSome(query) && query.value.cancelRequestedAt !== undefined) {
        return yield* new Stopped({ why: undefined })
      }
    }
  })

  /** Runs a query that has its turn, from where its log ends to its end. */
  const run = (
    operation: string,
    turn: AgentLocks.AgentLock,
    query: Query.Query,
    options: RunOptions & { readonly follow: boolean }
  ): EventLog =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { agentId, id } = query
        const known =
          query.status === "queued"
            ? []
            : yield* AgentStore.stored(operation, Stream.runCollect(store.events(id, 0)))
        let skip = known.filter(({ event }) => event.type !== "notice" || event.by === undefined).length
        let used = QueryMeter.usedIn(known.map(({ event }) => event))
        let meter: QueryMeter.QueryMeter | undefined
        let [finished, takenOver] = [false, false]

        const append = (events: ReadonlyArray<AgentEvent.AgentEvent>) =>
          Effect.gen(function* () {
            const records = yield* store.appendEvents(id, events, turn.lease)
            skip += events.length
            used = QueryMeter.usedIn(events, used)
            const result = events.find((event) => event.type === "result")
            if (result !== undefined) finished = true
            const named = result ?? events.find((event) => event.type === "session")
            if (named?.sessionId !== undefined)
              yield* keepSession(query, named.sessionId, meter?.total(), turn)
            return records
          }).pipe(
            Effect.mapError(AgentStore.fromStore(operation)),
            Effect.tapError(({ reason }) =>
              Effect.sync(() => {
                if (reason._tag === "TakenOver") takenOver = true
              })
            )
          )

        const fail = (
          outcome: AgentEvent.Outcome,
          error: string,
          limit?: AgentEvent.Limit,
          longest = Infinity
        ) =>
          Stream.fromIterableEffect(
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              append([
                EventReader.failedResult(outcome, error, Math.min(now - startedAt, longest), used, limit)
              ])
            )
          )

        const startedAt = DateTime.toEpochMillis(query.startedAt ?? (yield* DateTime.now))
        // One that was begun is brought to its end wherever it is.
        const resume = options.follow ? undefined : query.resume
        let place = yield* places.of(operation, agentId, { resume })
        if (query.cancelRequestedAt !== undefined) {
          yield* Effect.catch(runtime.stop(place, id), places.classifyFailure(operation, agentId))
          return fail("aborted", stoppedEarly)
        }
        const agent = yield* AgentStore.stored(operation, store.getAgent(agentId))
        const setHere = yield* profiles.secrets(place.profile)
        const { budgetUsd, look, timeLeft, timeUp } = yield* allowance(operation, agent, query, {
          longest: place.profile.run.wallTimeout,
          poolBudget: options.poolBudget
        })
        const stop = yield* Deferred.make<never, Stopped>()
        const job = query.status === "queued" ? QueryStore.namedJob(place, query, timeLeft) : query.job
        if (job !== undefined && query.status === "queued") {
          yield* AgentStore.stored(operation, store.startQuery(id, job, turn.lease))
        }
        const current =
          query.status === "queued" ? yield* AgentStore.stored(operation, counted(query, turn)) : agent
        const request = QueryStore.requestOf(query, current, budgetUsd, job)
        /** What there is to say when the time of the job is up, where a budget set it. */
        const late =
          job?.timeLeft === undefined ? undefined : BudgetGuard.usedUp(operation, agentId, job.timeLeft)

        // Not one of the agent's events, which are counted to go on where the log ends.
        const announced =
          options.announce === undefined
            ? []
            : yield* AgentStore.stored(operation, store.appendEvents(id, [options.announce], turn.lease))

        yield* Effect.acquireRelease(
          Effect.sync(() => running.set(id, stop)),
          () =>
            Effect.gen(function* () {
              running.delete(id)
              // Whoever took over goes on with the job, and so does whoever comes when it could only not be seen.
              if (finished || takenOver || options.detach || (yield* turn.isLost)) return
              yield* Effect.timeout(Effect.interruptible(runtime.stop(place, id)), stopLimit)
              yield* close(id, "aborted", stoppedEarly, turn)
            }).pipe(Effect.catch((error) => Effect.logError("A query could not be stopped", error)))
        )
        yield* Effect.forkScoped(places.keepAlive(agentId))

        const attempt = (
          left: number
        ): Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError | Failure> =>
          Stream.unwrap(
            Effect.gen(function* () {
              const secrets = [...setHere, ...(yield* places.secrets(agent, place))]
              return (options.follow ? runtime.follow : runtime.run)(place, request, { skip, secrets })
            })
          ).pipe(
            Stream.catchReason("SandboxError", "Paused", (_, error) => {
              if (left === 0 || resume === false) return Stream.fail(error)
              places.forget(agentId)
              return Stream.unwrap(
                Effect.map(places.of(operation, agentId), (found) => {
                  place = found
                  return attempt(left - 1)
                })
              )
            })
          )

        const gone = "Its program is not in the sandbox: it was never started, or the sandbox is a new one."

        const onSandbox = (error: SandboxError.SandboxError): EventLog => {
          const { message, reason } = error
          if (reason._tag === "FileNotFound") return fail("crash", gone)
          if (reason._tag === "IdleTimedOut") return fail("timeout", message, "idle")
          if (reason._tag === "WallTimedOut") {
            // Whoever finds it may come long after its end.
            const longest = Duration.toMillis(reason.after)
            return late === undefined
              ? fail("timeout", message, "wall", longest)
              : Stream.concat(fail("aborted", late.message, "budget", longest), Stream.fail(late))
          }
          if (isUncertain(error)) {
            finished = true
            return Stream.fromEffect(places.classifyFailure(operation, agentId)(error))
          }
          return Stream.unwrap(
            Effect.map(Effect.flip(places.classifyFailure(operation, agentId)(error)), (why) =>
              Stream.concat(
                isEnded(why) ? fail("aborted", agentEnded) : fail("crash", message),
                Stream.fail(why)
              )
            )
          )
        }

        const onStopped = ({ why }: Stopped): EventLog =>
          Stream.unwrap(
            Effect.as(
              Effect.catch(runtime.stop(place, id), places.classifyFailure(operation, agentId)),
              Stream.concat(
                why === undefined ? fail("aborted", stoppedEarly) : fail("aborted", why.message, "budget"),
                why === undefined ? Stream.empty : Stream.fail(why)
              )
            )
          )

        const { name, run: program } = place.profile
        const read = QueryMeter.make({
          countsSessions: EventReader.countsSessions(program.protocol),
          totals: current.sessionTotals ?? {},
          price: Price.find(prices, query.model ?? (yield* profiles.model(place.profile)), name),
          late
        })
        meter = read
        const { heed, over } = yield* QueryMeter.watch(look)

        const events = attempt(wakeUps).pipe(
          Stream.interruptWhen(
            Effect.raceAllFirst([
              Deferred.await(stop),
              cancelled(id),
              stoppedBy(timeUp),
              stoppedBy(over),
              turn.lost
            ])
          ),
          Stream.map(read.read),
          Stream.chunks,
          Stream.mapEffect((batch) =>
            Effect.tap(append(batch), () => (finished ? Effect.void : Effect.asVoid(heed(batch))))
          ),
          Stream.flattenIterable,
          Stream.catchTags({ SandboxError: onSandbox, Stopped: onStopped }),
          Stream.concat(
            Stream.suspend(() => (read.isLate() && late !== undefined ? Stream.fail(late) : Stream.empty))
          )
        )
        return Stream.concat(Stream.fromIterable(announced), events)
      })
    )

  /** Brings the queries of an agent to their end whose process died; nobody else's, as whoever calls has the turn. */
  const settle = Effect.fnUntraced(function* (
    operation: string,
    turn: AgentLocks.AgentLock,
    agentId: Id.AgentId,
    except?: Id.QueryId
  ) {
    const left = yield* AgentStore.stored(
      operation,
      Stream.runCollect(store.listQueries({ agentId, status: "running" }))
    )
    yield* Effect.forEach(
      left.filter(({ id }) => id !== except),
      (query) => Stream.runDrain(recovered(operation, turn, query)),
      { discard: true }
    )
  })

  /** Follows a query that somebody else started to its end, and starts nothing. */
  const recovered = (operation: string, turn: AgentLocks.AgentLock, query: Query.Query): EventLog => {
    const { agentId, id, trace } = query
    const rest = run(operation, turn, query, { detach: true, follow: true }).pipe(
      Stream.catchReasons("OrchestratorError", {
        AgentNotReady: () => ended(operation, turn, query, "aborted", "Its agent has ended."),
        // Its log says so.
        BudgetExceeded: () => Stream.empty,
        AgentLost: () => ended(operation, turn, query, "crash", "The sandbox of its agent no longer exists.")
      })
    )
    return Stream.unwrap(
      Effect.map(QueryTrace.within(trace, { attributes: { agentId, queryId: id } }), (options) =>
        Stream.withSpan(rest, "Orchestrator.takeOver", options)
      )
    )
  }

  const ended = (
    operation: string,
    turn: AgentLocks.AgentLock,
    query: Query.Query,
    outcome: AgentEvent.Outcome,
    why: string
  ): EventLog => Stream.fromIterableEffect(AgentStore.stored(operation, close(query.id, outcome, why, turn)))

  const logOf = (operation: string, id: Id.QueryId, from: number): EventLog =>
    Stream.mapError(store.events(id, from), AgentStore.fromStore(operation))

  /** Waits for the turn of a query and brings it to its end, whatever of it was done by others. */
  const drive = (
    operation: string,
    { agentId, id }: Query.Query,
    options: RunOptions & { readonly from: number }
  ): EventLog =>
    Stream.unwrap(
      Effect.gen(function* () {
        const turn = yield* turns.acquire(operation, agentId)
        yield* settle(operation, turn, agentId, id)
        const query = yield* AgentStore.stored(operation, store.getQuery(id))
        if (query.status === "ended") return logOf(operation, id, options.from)
        const before = query.status === "queued" ? Stream.empty : logOf(operation, id, options.from)
        const rest =
          query.status === "running"
            ? recovered(operation, turn, query)
            : run(operation, turn, query, { ...options, follow: false })
        return Stream.concat(before, rest)
      })
    )

  const launch: QueryExecution["launch"] = Effect.fnUntraced(function* (operation, turn, query, options) {
    const { agentId, id } = query
    const place = yield* places.of(operation, agentId, query)
    const agent = yield* AgentStore.stored(operation, store.getAgent(agentId))
    const longest = place.profile.run.wallTimeout
    const { budgetUsd, timeLeft } = yield* allowance(operation, agent, query, { longest })
    const job = QueryStore.namedJob(place, query, timeLeft)
    yield* AgentStore.stored(operation, store.startQuery(id, job, turn.lease))
    const request = QueryStore.requestOf(
      query,
      yield* AgentStore.stored(operation, counted(query, turn)),
      budgetUsd,
      job
    )
    if (options.announce !== undefined) {
      yield* AgentStore.stored(operation, store.appendEvents(id, [options.announce], turn.lease))
    }
    const wall = request.wallTimeout ?? place.profile.run.wallTimeout
    yield* Effect.andThen(places.extendFor(agentId, wall), runtime.start(place, request)).pipe(
      Effect.catch(places.classifyFailure(operation, agentId))
    )
  })

  const stop = (id: Id.QueryId) =>
    Effect.suspend(() => {
      const here = running.get(id)
      return here === undefined
        ? Effect.succeed(false)
        : Effect.as(Deferred.fail(here, new Stopped({ why: undefined })), true)
    })

  return { drive, launch, settle, close: (...all) => Effect.asVoid(close(...all)), stop }
})
