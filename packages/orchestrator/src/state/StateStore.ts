import type {
  Agent,
  AgentEvent,
  Id,
  Lease,
  AgentLifecycle,
  PoolRecord,
  Query,
  StateDocument,
  StateStoreError,
  TokenUsage
} from "@remote-agent/domain"
import { Context, type DateTime, type Effect, type Stream } from "effect"

/** Which agents are meant: those that are all of this. */
export interface AgentFilter {
  /** In one of these. */
  readonly status?: AgentLifecycle.AgentStatus | ReadonlyArray<AgentLifecycle.AgentStatus> | undefined
  readonly profile?: string | undefined
  readonly pool?: string | undefined
  /** Has all of these, and perhaps others. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly name?: string | undefined
}

/** A part of a list. */
export interface AgentPage {
  readonly agents: ReadonlyArray<Agent.Agent>
  /** What comes `after` this page, when there may be more. */
  readonly next?: Id.AgentId | undefined
}

/** Which page of which agents. */
export interface PageOptions {
  readonly filter?: AgentFilter | undefined
  readonly after?: Id.AgentId | undefined
  readonly limit: number
}

/** Which queries are meant: those that are all of this. */
export interface QueryFilter {
  readonly agentId?: Id.AgentId | undefined
  readonly status?: Query.QueryStatus | undefined
}

/** Where a list of queries begins, and the most it may have. */
export interface QueryRange {
  readonly after?: Id.QueryId | undefined
  readonly limit?: number | undefined
}

/** Of which queries the usage is asked. */
export interface UsageFilter {
  readonly agentId?: Id.AgentId | undefined
  readonly pool?: string | undefined
  /** Those that ended then or later. */
  readonly since?: DateTime.Utc | undefined
}

/** What queries have used that have ended. */
export interface UsageSummary {
  readonly usage: TokenUsage.TokenUsage
  /** How many there are, in all and for every outcome that there is. */
  readonly queries: number
  readonly outcomes: Readonly<Partial<Record<AgentEvent.Outcome, number>>>
}

/** What a query that runs has used by now, as far as its agent has told. */
export interface RunningUsage {
  readonly id: Id.QueryId
  readonly startedAt: DateTime.Utc
  /** Without its time, which is still going by. */
  readonly usage: TokenUsage.TokenUsage
}

/** What all agents of a pool have used, ended ones as well, at one moment. */
export interface PoolUsage {
  /** By queries that have ended. */
  readonly ended: TokenUsage.TokenUsage
  /** By those that run, oldest first. */
  readonly running: ReadonlyArray<RunningUsage>
}

/** Something that a store is given as it was in another. */
export type StateRecord =
  | { readonly _tag: "Pool"; readonly pool: PoolRecord.PoolRecord }
  | { readonly _tag: "Agent"; readonly agent: Agent.Agent }
  | { readonly _tag: "Query"; readonly query: StateDocument.LoggedQuery }

type Result<A> = Effect.Effect<A, StateStoreError.StateStoreError>
type Results<A> = Stream.Stream<A, StateStoreError.StateStoreError>

/**
 * What is known of agents, queries, events and pools. Every change is one step: it happens whole or not at all.
 *
 * Failures are `StateStoreError`s, `NotFound` among them wherever an id is given. A write that shows a fence fails
 * with `Fenced` when there is a newer lease of its resource, and then changes nothing.
 */
export class StateStore extends Context.Service<
  StateStore,
  {
    /** Fails with `AlreadyExists` when the id is taken. */
    readonly createAgent: (agent: Agent.Agent) => Result<void>
    readonly getAgent: (id: Id.AgentId) => Result<Agent.Agent>
    /**
     * Writes an agent that was read and changed, and gives it back with its next revision. Fails with
     * `RevisionConflict` when somebody wrote it in between and with `IllegalMove` when its status may not change so.
     * Its usage stays as the store has counted it.
     */
    readonly updateAgent: (agent: Agent.Agent, fence?: Lease.Fence) => Result<Agent.Agent>
    /** Agents, oldest first. */
    readonly listAgents: (filter?: AgentFilter) => Results<Agent.Agent>
    /** One page of what `listAgents` gives. */
    readonly pageAgents: (options: PageOptions) => Result<AgentPage>
    /** The agent whose id this is; else those whose id begins so or whose name it is, oldest first, ten at most. */
    readonly findAgents: (text: string) => Result<ReadonlyArray<Agent.Agent>>
    /** Fails with `AlreadyExists` when the id is taken. */
    readonly createQuery: (query: Query.Query) => Result<void>
    readonly getQuery: (id: Id.QueryId) => Result<Query.Query>
    /** Queries, oldest first. */
    readonly listQueries: (filter?: QueryFilter, range?: QueryRange) => Results<Query.Query>
    /**
     * Says that a query is being answered, and by which job, in the place of any earlier one. Fails with `LogClosed`
     * when it has ended.
     */
    readonly startQuery: (id: Id.QueryId, job: Query.QueryJob, fence?: Lease.Fence) => Result<Query.Query>
    /**
     * Notes that somebody asked for the end of a query. Only the first request counts, and none once it has ended.
     */
    readonly requestCancel: (id: Id.QueryId, by?: string) => Result<Query.Query>
    /**
     * Adds events to the log of a query and gives back their records, whose `seq` goes on without a gap. A `result`
     * ends the query and its log, and its usage is added to that of its agent; after that it fails with `LogClosed`.
     */
    readonly appendEvents: (
      id: Id.QueryId,
      events: ReadonlyArray<AgentEvent.AgentEvent>,
      fence?: Lease.Fence
    ) => Result<ReadonlyArray<AgentEvent.EventRecord>>
    /** The log of a query as it stands, from a `seq` on. */
    readonly events: (id: Id.QueryId, fromSeq: number) => Results<AgentEvent.EventRecord>
    /** Fails with `AlreadyExists` when the name is taken. */
    readonly createPool: (pool: PoolRecord.PoolRecord) => Result<void>
    readonly getPool: (name: Id.PoolName) => Result<PoolRecord.PoolRecord>
    /**
     * Writes a pool that was read and changed, and gives it back with its next revision. Fails with
     * `RevisionConflict` when somebody wrote it in between.
     */
    readonly updatePool: (pool: PoolRecord.PoolRecord) => Result<PoolRecord.PoolRecord>
    /** Forgets a pool, whose name is free from then on. Succeeds when there is none. */
    readonly removePool: (name: Id.PoolName) => Result<void>
    /** Every pool, by name. */
    readonly listPools: Results<PoolRecord.PoolRecord>
    /**
     * Writes all records or none, and gives back the ids and names of those that were added: what is there already
     * stays as it is. They are asked for once, as they are written.
     */
    readonly restore: (records: Iterable<StateRecord>) => Result<ReadonlySet<string>>
    /** What queries have used, summed up. */
    readonly usage: (filter?: UsageFilter) => Result<UsageSummary>
    /** What the agents of a pool have used, also in the middle of queries: by their last `usage` event. */
    readonly poolUsage: (pool: Id.PoolName) => Result<PoolUsage>
  }
>()("@remote-agent/orchestrator/StateStore") {}
