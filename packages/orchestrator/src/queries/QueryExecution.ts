import {
  type AgentEvent,
  RemoteAgentConfig,
  type Id,
  type OrchestratorError,
  Price,
  type Query,
  type SandboxError,
  type StateStoreError
} from "@remote-agent/domain"
import { DateTime, Deferred, Duration, Effect, Option, Stream } from "effect"
import * as AgentLocks from "../agents/AgentLocks.ts"
import type { AgentSandboxes, ShutDown } from "../agents/AgentSandboxes.ts"
import { Profiles } from "../profiles/Profiles.ts"
import * as EventReader from "../protocols/EventReader.ts"
import { AgentRuntime } from "../runtime/AgentRuntime.ts"
import type { AgentSandbox } from "../runtime/setup/SetUp.ts"
import * as AgentStore from "../state/AgentStore.ts"
import { StateStore } from "../state/StateStore.ts"
import * as BudgetGuard from "./BudgetGuard.ts"
import * as QueryLog from "./QueryLog.ts"
import * as QueryMeter from "./QueryMeter.ts"
import { cancelled, type QueryEnd } from "./queryOutcome.ts"
import {
  type EventLog,
  type ProgramEvents,
  append,
  outcomeOf,
  type Run,
  type RunOptions,
  type Started,
  Stop,
  stopAt,
  told
} from "./QueryRun.ts"
import * as QueryPermits from "./limits/QueryPermits.ts"
import * as QueryStore from "./QueryStore.ts"
import * as RecoverQueries from "./recoverQueries.ts"

type Failure = OrchestratorError.OrchestratorError

/** Runs queries to their end, each while it holds the lock of its agent. */
export interface QueryExecution {
  /** Waits for the lock of the query's agent and streams its log from a `seq` to its result, whoever began it. */
  readonly drive: (
    operation: string,
    query: Query.Query,
    options: RunOptions & { readonly from: number }
  ) => EventLog
  /** Starts the program of a query, and does not wait for it. */
  readonly launch: (
    operation: string,
    lock: AgentLocks.AgentLock,
    query: Query.Query,
    options: Pick<RunOptions, "announce">
  ) => Effect.Effect<void, Failure>
  /** Ends the queries of an agent whose process died. The caller holds the lock of the agent. */
  readonly settle: (
    operation: string,
    lock: AgentLocks.AgentLock,
    agentId: Id.AgentId,
    except?: Id.QueryId
  ) => Effect.Effect<void, Failure>
  /** Ends the log of a query that no process runs, unless it has ended. */
  readonly close: (
    id: Id.QueryId,
    outcome: AgentEvent.Outcome,
    why: string,
    lock?: AgentLocks.AgentLock
  ) => Effect.Effect<void, StateStoreError.StateStoreError>
  /** Cancels a query that this process runs, and tells whether it runs one of this id. */
  readonly stop: (id: Id.QueryId) => Effect.Effect<boolean>
}

/** How long it may take to kill a program whose reader has left. */
const stopLimit = Duration.minutes(1)

/** How often a query resumes a sandbox that was paused while it ran. */
const resumes = 5

/** Runs the queries of agents. */
export const make = Effect.fnUntraced(function* (
  sandboxes: AgentSandboxes,
  locks: AgentLocks.AgentLocks
): Effect.fn.Return<
  QueryExecution,
  never,
  AgentRuntime | AgentStore.AgentStore | StateStore | Profiles | RemoteAgentConfig.RemoteAgentConfig
> {
  const [runtime, store, profiles, { REMOTE_AGENT_PRICES: prices }] = yield* Effect.all([
    AgentRuntime,
    StateStore,
    Profiles,
    RemoteAgentConfig.RemoteAgentConfig
  ])
  const { beat } = yield* AgentLocks.Policy
  const records = QueryStore.make(store, yield* AgentStore.AgentStore)
  const permits = yield* QueryPermits.make
  const guard = BudgetGuard.make(store)
  /** What stops the queries that this process runs. */
  const stops = new Map<Id.QueryId, Deferred.Deferred<never, Stop>>()

  /** Fails when a caller, here or elsewhere, asks for the query to be cancelled. */
  const cancelRequested = Effect.fnUntraced(function* (id: Id.QueryId) {
    for (;;) {
      yield* Effect.sleep(beat)
      const query = yield* Effect.option(store.getQuery(id))
      if (Option.isSome(query) && query.value.cancelRequestedAt !== undefined) {
        return yield* new Stop({ budget: undefined })
      }
    }
  })

  /** Kills the program of a query, and shuts its sandbox down where that is the only way. Tells when it did that. */
  const kill = Effect.fnUntraced(function* (
    operation: string,
    place: AgentSandbox,
    { agentId, createdAt, id, startedAt }: Query.Query
  ) {
    const how = { startedAt: DateTime.toEpochMillis(startedAt ?? createdAt), isolated: sandboxes.isolated }
    const stopped = yield* Effect.catch(
      runtime.stop(place, id, how),
      sandboxes.classifyFailure(operation, agentId)
    )
    return stopped ? undefined : yield* sandboxes.shutDown(operation, agentId)
  })

  /** Checks budgets and records a queued query as running. A query that runs already is only read. */
  const begin = Effect.fnUntraced(function* (
    operation: string,
    lock: AgentLocks.AgentLock,
    query: Query.Query,
    place: AgentSandbox,
    { announce, poolBudget }: Pick<RunOptions, "announce" | "poolBudget">
  ): Effect.fn.Return<Started, Failure> {
    const { agentId, id } = query
    const known = yield* AgentStore.stored(operation, store.getAgent(agentId))
    const longest = place.profile.run.wallTimeout
    const budgets = yield* guard(operation, known, query, { longest, poolBudget })
    const isNew = query.status === "queued"
    const job = isNew ? QueryStore.namedJob(place, query, budgets.timeLeft) : query.job
    if (isNew && job !== undefined) {
      yield* AgentStore.stored(operation, store.startQuery(id, job, lock.lease))
    }
    const agent = isNew ? yield* AgentStore.stored(operation, records.counted(query, lock, known)) : known
    const announced =
      announce === undefined
        ? []
        : yield* AgentStore.stored(operation, store.appendEvents(id, [announce], lock.lease))
    const request = QueryStore.requestOf(place, query, agent, budgets.budgetUsd, job)
    return { place, agent, job, request, budgets, announced }
  })

  /** `starting`: all that is needed to run a query, with what ends it when the scope closes. */
  const enter = Effect.fnUntraced(function* (
    operation: string,
    lock: AgentLocks.AgentLock,
    query: Query.Query,
    place: AgentSandbox,
    options: Run["options"]
  ) {
    const { id } = query
    const startedAt = DateTime.toEpochMillis(query.startedAt ?? (yield* DateTime.now))
    const known =
      query.status === "queued"
        ? []
        : yield* AgentStore.stored(operation, Stream.runCollect(store.events(id, 0)))
    const started = yield* begin(operation, lock, query, place, options)
    const { name, run: program } = place.profile
    const meter = QueryMeter.make({
      countsSessions: EventReader.countsSessions(program.protocol),
      totals: started.agent.sessionTotals ?? {},
      price: Price.find(prices, query.model ?? (yield* profiles.model(place.profile)), name)
    })
    const sessionTotal = meter.total
    const resumed = started.request.agentSession !== undefined
    const log = QueryLog.make({ store, records, operation, lock, query, known, resumed, sessionTotal })
    const stop = yield* Deferred.make<never, Stop>()
    const run: Run = {
      ...started,
      operation,
      lock,
      query,
      options,
      startedAt,
      stop,
      meter,
      log,
      phase: "starting"
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => stops.set(id, stop)),
      () => leave(run)
    )
    return run
  })

  /** The scope of a query has closed: its program is killed, unless another reader goes on with it. */
  const leave = (run: Run) =>
    Effect.gen(function* () {
      const { lock, options, phase, place, query } = run
      stops.delete(query.id)
      if (phase === "ended") yield* permits.release(query, run.log.used())
      if (phase === "ended" || options.detach || (yield* lock.isLost)) return
      yield* Effect.timeout(Effect.interruptible(kill(run.operation, place, query)), stopLimit)
      yield* recover.close(query.id, "aborted", cancelled, lock)
    }).pipe(Effect.catch((error) => Effect.logError("A query could not be cancelled", error)))

  /** `running`: the events of the program. A sandbox that was paused meanwhile is resumed, a few times. */
  const programEvents = (run: Run, left = resumes): ProgramEvents => {
    const { agent, operation, options, query } = run
    const events = Effect.gen(function* () {
      const { place, request } = run
      const setHere = yield* profiles.secrets(place.profile)
      const secrets = [...setHere, ...(yield* sandboxes.secrets(agent, place))]
      const read = options.follow ? runtime.follow : runtime.run
      const { isolated } = sandboxes
      return read(place, request, { skip: run.log.told(), secrets, isolated, startedAt: run.startedAt })
    })
    return Stream.unwrap(events).pipe(
      Stream.catchReason("SandboxError", "Paused", (_, error) => {
        if (left === 0 || (query.resume === false && !options.follow)) return Stream.fail(error)
        sandboxes.forget(query.agentId)
        return Stream.unwrap(
          Effect.map(sandboxes.of(operation, query.agentId), (place) => {
            run.place = place
            return programEvents(run, left - 1)
          })
        )
      })
    )
  }

  /** Stores events of the program; the last of them is its result. */
  const storeBatch = Effect.fnUntraced(function* (run: Run, batch: ReadonlyArray<AgentEvent.AgentEvent>) {
    const last = batch.at(-1)
    if (last?.type !== "result") return told(yield* append(run, batch), undefined)
    const { failure, result = last } = yield* outcomeOf(run, { _tag: "Result", result: last })
    const written = yield* append(run, [...batch.slice(0, -1), result])
    run.phase = "ended"
    return told(written, failure)
  })

  /** `draining`: decides and stores the outcome of a query whose program has not given one. */
  const drain = Effect.fnUntraced(function* (run: Run, end: QueryEnd, shutDown?: ShutDown) {
    run.phase = "draining"
    const { failure, result } = yield* outcomeOf(run, end, shutDown)
    const written = result === undefined ? [] : yield* append(run, [result])
    run.phase = "ended"
    return told(written, failure)
  })

  /** Kills the program, and stores why. */
  const end = (run: Run, why: QueryEnd) =>
    Effect.flatMap(kill(run.operation, run.place, run.query), (shutDown) => drain(run, why, shutDown))

  const onStop = (run: Run, { budget }: Stop) =>
    end(run, budget === undefined ? { _tag: "Cancelled" } : { _tag: "BudgetReached", failure: budget })

  const onFailedSandbox = (run: Run, cause: SandboxError.SandboxError) =>
    Effect.flatMap(
      Effect.flip(sandboxes.classifyFailure(run.operation, run.query.agentId)(cause)),
      (meaning) => drain(run, { _tag: "SandboxFailed", cause, meaning })
    )

  /** Settles a query whose program is not there. Its id is reserved first, so that a slow process cannot start it. */
  const onMissing = (run: Run, cause: SandboxError.SandboxError) =>
    runtime.reserve(run.place, run.query.id).pipe(
      Effect.flatMap((isFree) => {
        if (isFree) return drain(run, { _tag: "ProgramMissing" })
        // Another process has just started it. The next reader follows it.
        run.phase = "ended"
        return Effect.succeed(told([], AgentStore.fromSandbox(run.operation)(cause)))
      }),
      Effect.catchTag("SandboxError", (failed) => onFailedSandbox(run, failed))
    )

  const onSandbox = (run: Run, cause: SandboxError.SandboxError) => {
    const { reason } = cause
    if (reason._tag === "FileNotFound") return onMissing(run, cause)
    if (reason._tag !== "IdleTimedOut" && reason._tag !== "WallTimedOut") return onFailedSandbox(run, cause)
    const limit = reason._tag === "IdleTimedOut" ? "idle" : "wall"
    return end(run, { _tag: "LimitReached", limit, after: reason.after })
  }

  /** Runs a query whose lock is held, from where its log ends to its result. */
  const runLocked = (
    operation: string,
    lock: AgentLocks.AgentLock,
    query: Query.Query,
    options: Run["options"]
  ): EventLog =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { agentId, id } = query
        // A query that was begun is brought to its end wherever its agent is.
        const resume = options.follow ? undefined : query.resume
        const place = yield* sandboxes.of(operation, agentId, { resume })
        if (query.cancelRequestedAt !== undefined) {
          yield* kill(operation, place, query)
          return told(
            yield* AgentStore.stored(operation, recover.close(id, "aborted", cancelled, lock)),
            undefined
          )
        }
        yield* sandboxes.keepAlive(agentId)
        if (query.status === "queued" && !(yield* permits.acquire(operation, query, place.profile))) {
          return logOf(operation, id, 0)
        }
        const run = yield* enter(operation, lock, query, place, options)
        const { heed, over } = yield* QueryMeter.watch(run.budgets.look)
        const interrupted = Effect.raceAllFirst([
          Deferred.await(run.stop),
          cancelRequested(id),
          stopAt(run.budgets.timeUp),
          stopAt(over),
          lock.lost
        ])
        run.phase = "running"
        const events = programEvents(run).pipe(
          Stream.interruptWhen(interrupted),
          Stream.map(run.meter.read),
          Stream.chunks,
          Stream.mapEffect((batch) =>
            Effect.tap(storeBatch(run, batch), () =>
              run.phase === "ended" ? Effect.void : Effect.asVoid(heed(batch))
            )
          ),
          Stream.flatten(),
          Stream.catchTags({
            SandboxError: (cause) => Stream.unwrap(onSandbox(run, cause)),
            Stop: (stopped) => Stream.unwrap(onStop(run, stopped))
          })
        )
        return Stream.concat(Stream.fromIterable(run.announced), events)
      })
    )

  const recover = RecoverQueries.make(store, (operation, lock, query) =>
    runLocked(operation, lock, query, { detach: true, follow: true })
  )

  const logOf = (operation: string, id: Id.QueryId, from: number): EventLog =>
    Stream.mapError(store.events(id, from), AgentStore.fromStore(operation))

  /** `waiting`, and then what the query is in when its agent is free: it may have ended, or be another's. */
  const drive: QueryExecution["drive"] = (operation, { agentId, id }, options) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const lock = yield* locks.acquire(operation, agentId)
        yield* recover.settle(operation, lock, agentId, id)
        const query = yield* AgentStore.stored(operation, store.getQuery(id))
        if (query.status === "ended") return logOf(operation, id, options.from)
        if (query.status === "queued") return runLocked(operation, lock, query, { ...options, follow: false })
        return Stream.concat(logOf(operation, id, options.from), recover.follow(operation, lock, query))
      })
    )

  const launch: QueryExecution["launch"] = Effect.fnUntraced(function* (operation, lock, query, options) {
    const { agentId } = query
    const found = yield* sandboxes.of(operation, agentId, query)
    yield* permits.acquire(operation, query, found.profile)
    const { place, request } = yield* begin(operation, lock, query, found, options)
    const wall = request.wallTimeout ?? place.profile.run.wallTimeout
    yield* Effect.andThen(sandboxes.extendFor(agentId, wall), runtime.start(place, request)).pipe(
      Effect.catch(sandboxes.classifyFailure(operation, agentId))
    )
  })

  const stop: QueryExecution["stop"] = (id) =>
    Effect.suspend(() => {
      const here = stops.get(id)
      return here === undefined
        ? Effect.succeed(false)
        : Effect.as(Deferred.fail(here, new Stop({ budget: undefined })), true)
    })

  return {
    drive,
    launch,
    settle: recover.settle,
    close: (...all) => Effect.asVoid(recover.close(...all)),
    stop
  }
})
