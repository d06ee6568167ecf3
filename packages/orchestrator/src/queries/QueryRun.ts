import type { Agent, AgentEvent, Budget, OrchestratorError, Query, SandboxError } from "@remote-agent/domain"
import { Clock, Data, type Deferred, Duration, Effect, Stream } from "effect"
import type { AgentLock } from "../agents/AgentLocks.ts"
import type { ShutDown } from "../agents/AgentSandboxes.ts"
import type * as QueryCommand from "../runtime/queryCommand.ts"
import type { AgentSandbox } from "../runtime/setup/SetUp.ts"
import * as BudgetGuard from "./BudgetGuard.ts"
import { type QueryEnd, queryOutcome } from "./queryOutcome.ts"
import type { QueryLog } from "./QueryLog.ts"
import type { QueryMeter } from "./QueryMeter.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * Events of a query as the store has them.
 *
 * @category models
 * @since 0.1.0
 */
export type EventLog = Stream.Stream<AgentEvent.EventRecord, Failure>

/**
 * How far a query is in the process that runs it.
 *
 * **Details**
 *
 * - `waiting`: for the lock of its agent.
 * - `starting`: budgets are checked, the query is recorded as running, and its program is started.
 * - `running`: events of the program are stored as they come.
 * - `draining`: the program is being killed, or its sandbox has failed; the outcome is decided and stored.
 * - `ended`: the log has its result, or another process goes on with it. This one has nothing left to do.
 *
 * @category models
 * @since 0.1.0
 */
type Phase = "waiting" | "starting" | "running" | "draining" | "ended"

/**
 * How a query is run, beside what its record says.
 *
 * @category models
 * @since 0.1.0
 */
export interface RunOptions {
  /** Whether the query goes on when its stream is left; else it is cancelled then. */
  readonly detach: boolean
  /** The first event of its log. */
  readonly announce?: AgentEvent.AgentEvent | undefined
  /** What all agents of its pool may use together; as the store has it by the pool's name when absent. */
  readonly poolBudget?: Budget.Budget | undefined
}

/** Interrupts the events of a program: the query was cancelled, or a budget was reached. */
export class Stop extends Data.TaggedError("Stop")<{ readonly budget: Failure | undefined }> {}

/** Stops a query when a budget is reached. */
export const stopAt = (budget: Effect.Effect<never, Failure>) =>
  Effect.mapError(budget, (failure) => new Stop({ budget: failure }))

/** A query that is recorded as running. */
export interface Started {
  readonly place: AgentSandbox
  /** The record of its agent, with this query counted. */
  readonly agent: Agent.Agent
  readonly job: Query.QueryJob | undefined
  readonly request: QueryCommand.Request
  readonly budgets: BudgetGuard.Allowance
  readonly announced: ReadonlyArray<AgentEvent.EventRecord>
}

/** A query that this process runs. */
export interface Run extends Omit<Started, "place"> {
  readonly operation: string
  readonly lock: AgentLock
  readonly query: Query.Query
  readonly options: RunOptions & { readonly follow: boolean }
  /** In milliseconds since 1970. */
  readonly startedAt: number
  /** Fails when this process is told to cancel the query. */
  readonly stop: Deferred.Deferred<never, Stop>
  readonly meter: QueryMeter
  readonly log: QueryLog
  /** Another one after the sandbox was resumed. */
  place: AgentSandbox
  phase: Phase
}

/** What a program tells. */
export type ProgramEvents = Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError | Failure>

/** What was stored, and what the caller fails with after it. */
export const told = (
  written: ReadonlyArray<AgentEvent.EventRecord>,
  failure: Failure | undefined
): Stream.Stream<AgentEvent.EventRecord, Failure> =>
  Stream.concat(Stream.fromIterable(written), failure === undefined ? Stream.empty : Stream.fail(failure))

/** Stores events of a query. A query that another process has taken over is left to it. */
export const append = (run: Run, events: ReadonlyArray<AgentEvent.AgentEvent>) =>
  Effect.tapError(run.log.append(events), ({ reason }) =>
    Effect.sync(() => {
      if (reason._tag === "TakenOver") run.phase = "ended"
    })
  )

/** The outcome of a query that ends so. */
export const outcomeOf = (run: Run, end: QueryEnd, shutDown?: ShutDown) => {
  const { job, log, operation, place, query, request, startedAt } = run
  const allowed = request.wallTimeout ?? place.profile.run.wallTimeout
  const timeBudget =
    job?.timeLeft === undefined ? undefined : BudgetGuard.usedUp(operation, query.agentId, job.timeLeft)
  return Effect.map(Clock.currentTimeMillis, (now) =>
    queryOutcome(end, {
      startedAt,
      now,
      used: log.used(),
      allowedMillis: Duration.toMillis(allowed),
      timeBudget,
      shutDown
    })
  )
}
