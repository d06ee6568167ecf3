import {
  Agent,
  type AgentEvent,
  type Budget,
  Config,
  Id,
  type OrchestratorError,
  Price,
  Query,
  type SandboxError,
  type StateStoreError,
  Usage
} from "@remote-agent/domain"
import { Clock, Data, DateTime, Deferred, Duration, Effect, Option, Stream } from "effect"
import { AgentRuntime, type Place } from "./AgentRuntime.ts"
import * as Allowance from "./Allowance.ts"
import * as EventReader from "./EventReader.ts"
import type { Places } from "./Places.ts"
import { Profiles } from "./Profiles.ts"
import { jobOf } from "./QueryJobs.ts"
import * as QueryTrace from "./QueryTrace.ts"
import * as Records from "./Records.ts"
import type * as RunCommand from "./RunCommand.ts"
import { StateStore } from "./StateStore.ts"
import * as Turns from "./Turns.ts"

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
export interface QueryRuns {
  /** Waits for the turn of a query and tells its log from a place on, to its end, whatever of it was done by others. */
  readonly drive: (
    operation: string,
    query: Query.Query,
    options: RunOptions & { readonly from: number }
  ) => EventLog
  /** Has the job of a query started in a turn, and does not wait for it. */
  readonly launch: (
    operation: string,
    turn: Turns.Turn,
    query: Query.Query,
    options: Pick<RunOptions, "announce">
  ) => Effect.Effect<void, Failure>
  /** Brings the queries of an agent to their end whose process died; nobody else's, as whoever calls has the turn. */
  readonly settle: (
    operation: string,
    turn: Turns.Turn,
    agentId: Id.AgentId,
    except?: Id.QueryId
  ) => Effect.Effect<void, Failure>
  /** Ends the log of a query that nobody answers, unless it has ended. */
  readonly close: (
    id: Id.QueryId,
    outcome: AgentEvent.Outcome,
    why: string,
    turn?: Turns.Turn
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

/** The name of the session of queries that name none. */
const defaultSession = "default"

/** How long it may take to stop a program whose reader has left. */
const stopLimit = Duration.seconds(30)

/** How long an agent that has used up a budget may keep silent, as one does before its answer. */
const lastWords = Duration.seconds(30)

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

/** What a query has used, as its events tell; else what was known before. */
const usedIn = (events: ReadonlyArray<AgentEvent.AgentEvent>, before = Usage.zero): Usage.Usage =>
  events.findLast((event) => event.type === "usage")?.usage ?? before

/** An agent that has this session, and of the totals of sessions those that can be gone on with. */
const withSession = (
  agent: Agent.Agent,
  name: string,
  id: string,
  total: Usage.SessionTotal | undefined
): Agent.Agent => {
  const sessions = { ...agent.sessions, [name]: id }
  if (total === undefined) return new Agent.Agent({ ...agent, sessions })
  const used = new Set(Object.values(sessions))
  const others = Object.entries(agent.sessionTotals ?? {}).filter(([one]) => one !== id && used.has(one))
  return new Agent.Agent({ ...agent, sessions, sessionTotals: Object.fromEntries([...others, [id, total]]) })
}

/** The job of a query, as it is named in the store before it is started under an id that can be started once. */
const namedJob = (place: Place, { id, timeouts }: Query.Query, left: Query.TimeLeft | undefined) => {
  const wall = timeouts?.wall ?? place.profile.run.wallTimeout
  return new Query.QueryJob({
    ...jobOf(place, id),
    ...(left === undefined || Duration.isGreaterThan(left.time, wall) ? {} : { timeLeft: left })
  })
}

const requestOf = (
  query: Query.Query,
  agent: Agent.Agent,
  budgetUsd: number | undefined,
  job: Query.QueryJob | undefined
): RunCommand.Request => ({
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

/** Runs the queries of agents. */
export const make = Effect.fnUntraced(function* (
  places: Places,
  turns: Turns.Turns
): Effect.fn.Return<QueryRuns, never, AgentRuntime | StateStore | Profiles | Config.Config> {
  const [runtime, store, profiles, { REMOTE_AGENT_PRICES: prices }] = yield* Effect.all([
    AgentRuntime,
    StateStore,
    Profiles,
    Config.Config
  ])
  const { beat } = yield* Turns.Policy
  const { change } = Records.make(store)
  const allowance = Allowance.make(store)
  /** Ends the queries that run here. */
  const running = new Map<Id.QueryId, Deferred.Deferred<never, Stopped>>()

  const usedBy = (id: Id.QueryId) =>
    Effect.map(Stream.runCollect(store.events(id, 0)), (known) => usedIn(known.map(({ event }) => event)))

  /** Ends the log of a query that nobody answers. */
  const close = Effect.fnUntraced(
    function* (id: Id.QueryId, outcome: AgentEvent.Outcome, why: string, turn?: Turns.Turn) {
      const query = yield* store.getQuery(id)
      if (query.status === "ended") return []
      const since = query.startedAt ?? query.createdAt
      const wallMillis = (yield* Clock.currentTimeMillis) - DateTime.toEpochMillis(since)
      const used = query.status === "running" ? yield* usedBy(id) : Usage.zero
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

  /** Counts a query, and forgets the agent's own id of a session that begins anew. */
  const counted = Effect.fnUntraced(function* (
    { agentId, newSession, session }: Query.Query,
    turn: Turns.Turn
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

  /** Remembers the agent's own id of the session, so that the next query of it can go on with it, and its total. */
  const keepSession = Effect.fnUntraced(function* (
    query: Query.Query,
    sessionId: string,
    total: Usage.SessionTotal | undefined,
    turn: Turns.Turn
  ) {
    const name = query.session ?? defaultSession
    const agent = yield* store.getAgent(query.agentId)
    if (agent.sessions?.[name] === sessionId && total === undefined) return
    yield* change(query.agentId, (known) => withSession(known, name, sessionId, total), turn.lease)
  })

  /** Runs a query that has its turn, from where its log ends to its end. */
  const run = (
    operation: string,
    turn: Turns.Turn,
    query: Query.Query,
    options: RunOptions & { readonly follow: boolean }
  ): EventLog =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { agentId, id } = query
        const known =
          query.status === "queued"
            ? []
            : yield* Records.stored(operation, Stream.runCollect(store.events(id, 0)))
        let skip = known.filter(({ event }) => event.type !== "notice" || event.by === undefined).length
        let used = usedIn(known.map(({ event }) => event))
        let total: Usage.SessionTotal | undefined
        let [finished, takenOver] = [false, false]

        const append = (events: ReadonlyArray<AgentEvent.AgentEvent>) =>
          Effect.gen(function* () {
            const records = yield* store.appendEvents(id, events, turn.lease)
            skip += events.length
            used = usedIn(events, used)
            const result = events.find((event) => event.type === "result")
            if (result !== undefined) finished = true
            const named = result ?? events.find((event) => event.type === "session")
            if (named?.sessionId !== undefined) yield* keepSession(query, named.sessionId, total, turn)
            return records
          }).pipe(
            Effect.mapError(Records.fromStore(operation)),
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
          yield* Effect.catch(runtime.stop(place, id), places.blame(operation, agentId))
          return fail("aborted", stoppedEarly)
        }
        const agent = yield* Records.stored(operation, store.getAgent(agentId))
        const setHere = yield* profiles.secrets(place.profile)
        const { budgetUsd, look, timeLeft, timeUp } = yield* allowance(operation, agent, query, {
          longest: place.profile.run.wallTimeout,
          poolBudget: options.poolBudget
        })
        const stop = yield* Deferred.make<never, Stopped>()
        const job = query.status === "queued" ? namedJob(place, query, timeLeft) : query.job
        if (job !== undefined && query.status === "queued") {
          yield* Records.stored(operation, store.startQuery(id, job, turn.lease))
        }
        const current =
          query.status === "queued" ? yield* Records.stored(operation, counted(query, turn)) : agent
        const request = requestOf(query, current, budgetUsd, job)
        const totals = current.sessionTotals ?? {}
        /** What there is to say when the time of the job is up, where a budget set it. */
        const late =
          job?.timeLeft === undefined ? undefined : Allowance.usedUp(operation, agentId, job.timeLeft)

        // Not one of the agent's events, which are counted to go on where the log ends.
        const announced =
          options.announce === undefined
            ? []
            : yield* Records.stored(operation, store.appendEvents(id, [options.announce], turn.lease))

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
            return Stream.fromEffect(places.blame(operation, agentId)(error))
          }
          return Stream.unwrap(
            Effect.map(Effect.flip(places.blame(operation, agentId)(error)), (why) =>
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
              Effect.catch(runtime.stop(place, id), places.blame(operation, agentId)),
              Stream.concat(
                why === undefined ? fail("aborted", stoppedEarly) : fail("aborted", why.message, "budget"),
                why === undefined ? Stream.empty : Stream.fail(why)
              )
            )
          )

        const price = Price.find(
          prices,
          query.model ?? (yield* profiles.model(place.profile)),
          place.profile.name
        )
        const counting = EventReader.countsSessions(place.profile.run.protocol)
        /** The result of a program that counts the tokens of a whole session, with those of this query alone. */
        const apart = (event: AgentEvent.AgentEvent): AgentEvent.AgentEvent => {
          if (!counting || event.type !== "result" || event.sessionId === undefined) return event
          const { sessionId, usage } = event
          // A failure may come without counts, which does not mean that the session has none.
          const { inputTokens, outputTokens } = usage
          if (inputTokens + outputTokens > 0) total = new Usage.SessionTotal({ inputTokens, outputTokens })
          const earlier = Object.hasOwn(totals, sessionId) ? totals[sessionId] : undefined
          return { ...event, usage: Usage.since(earlier, usage) }
        }

        const priced = (event: AgentEvent.AgentEvent): AgentEvent.AgentEvent =>
          event.type === "usage" || event.type === "result"
            ? { ...event, usage: Price.priced(price, event.usage) }
            : event

        /** A program that ended at the limit that it was given, where that came of a budget. */
        let isLate = false
        const judged = (event: AgentEvent.AgentEvent): AgentEvent.AgentEvent => {
          if (late === undefined || event.type !== "result" || event.limit !== "wall") return event
          isLate = true
          return { ...event, outcome: "aborted", error: late.message, limit: "budget" }
        }

        const reached = yield* Deferred.make<Failure>()

        // What an agent has used is told after each call of its model. If that was the last, only the answer comes.
        const heed = Effect.fnUntraced(function* (batch: ReadonlyArray<AgentEvent.AgentEvent>) {
          if (finished) return
          const reachedBy = batch.some(({ type }) => type === "usage") ? yield* look : Option.none
          for (const event of batch) {
            if (yield* Deferred.isDone(reached)) {
              return yield* Deferred.fail(stop, new Stopped({ why: yield* Deferred.await(reached) }))
            }
            const why = event.type === "usage" ? reachedBy(event.usage) : Option.none()
            if (Option.isSome(why)) yield* Deferred.succeed(reached, why.value)
          }
        })

        const silent = Effect.flatMap(Deferred.await(reached), (why) =>
          Effect.delay(Effect.fail(why), lastWords)
        )

        const events = attempt(wakeUps).pipe(
          Stream.interruptWhen(
            Effect.raceAllFirst([
              Deferred.await(stop),
              cancelled(id),
              stoppedBy(timeUp),
              stoppedBy(silent),
              turn.lost
            ])
          ),
          Stream.map((event) => judged(priced(apart(event)))),
          Stream.chunks,
          Stream.mapEffect((batch) => Effect.tap(append(batch), () => heed(batch))),
          Stream.flattenIterable,
          Stream.catchTags({ SandboxError: onSandbox, Stopped: onStopped }),
          Stream.concat(
            Stream.suspend(() => (isLate && late !== undefined ? Stream.fail(late) : Stream.empty))
          )
        )
        return Stream.concat(Stream.fromIterable(announced), events)
      })
    )

  /** Brings the queries of an agent to their end whose process died; nobody else's, as whoever calls has the turn. */
  const settle = Effect.fnUntraced(function* (
    operation: string,
    turn: Turns.Turn,
    agentId: Id.AgentId,
    except?: Id.QueryId
  ) {
    const left = yield* Records.stored(
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
  const recovered = (operation: string, turn: Turns.Turn, query: Query.Query): EventLog => {
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
    turn: Turns.Turn,
    query: Query.Query,
    outcome: AgentEvent.Outcome,
    why: string
  ): EventLog => Stream.fromIterableEffect(Records.stored(operation, close(query.id, outcome, why, turn)))

  const logOf = (operation: string, id: Id.QueryId, from: number): EventLog =>
    Stream.mapError(store.events(id, from), Records.fromStore(operation))

  /** Waits for the turn of a query and brings it to its end, whatever of it was done by others. */
  const drive = (
    operation: string,
    { agentId, id }: Query.Query,
    options: RunOptions & { readonly from: number }
  ): EventLog =>
    Stream.unwrap(
      Effect.gen(function* () {
        const turn = yield* turns.take(operation, agentId)
        yield* settle(operation, turn, agentId, id)
        const query = yield* Records.stored(operation, store.getQuery(id))
        if (query.status === "ended") return logOf(operation, id, options.from)
        const before = query.status === "queued" ? Stream.empty : logOf(operation, id, options.from)
        const rest =
          query.status === "running"
            ? recovered(operation, turn, query)
            : run(operation, turn, query, { ...options, follow: false })
        return Stream.concat(before, rest)
      })
    )

  const launch: QueryRuns["launch"] = Effect.fnUntraced(function* (operation, turn, query, options) {
    const { agentId, id } = query
    const place = yield* places.of(operation, agentId, query)
    const agent = yield* Records.stored(operation, store.getAgent(agentId))
    const longest = place.profile.run.wallTimeout
    const { budgetUsd, timeLeft } = yield* allowance(operation, agent, query, { longest })
    const job = namedJob(place, query, timeLeft)
    yield* Records.stored(operation, store.startQuery(id, job, turn.lease))
    const request = requestOf(query, yield* Records.stored(operation, counted(query, turn)), budgetUsd, job)
    if (options.announce !== undefined) {
      yield* Records.stored(operation, store.appendEvents(id, [options.announce], turn.lease))
    }
    const wall = request.wallTimeout ?? place.profile.run.wallTimeout
    yield* Effect.andThen(places.outlive(agentId, wall), runtime.start(place, request)).pipe(
      Effect.catch(places.blame(operation, agentId))
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
