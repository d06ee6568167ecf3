import {
  type Agent,
  type AgentEvent,
  Id,
  type Lease,
  type AgentLifecycle,
  type PoolRecord,
  type Query,
  type StateDocument,
  type StateStoreError,
  type TokenUsage
} from "@remote-agent/domain"
import { Context, DateTime, type Effect, type Option, type Stream } from "effect"

/**
 * Selects agents. An agent must match every field that is present.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentFilter {
  /** The status, or any of several. */
  readonly status?: AgentLifecycle.AgentStatus | ReadonlyArray<AgentLifecycle.AgentStatus> | undefined
  readonly profile?: string | undefined
  readonly pool?: string | undefined
  /** Labels that the agent must have. It may have others too. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly name?: string | undefined
}

/**
 * One page of a list of agents.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentPage {
  readonly agents: ReadonlyArray<Agent.Agent>
  /** The `after` of the next page. Absent on the last page. */
  readonly next?: Id.AgentId | undefined
}

/**
 * Selects a page of agents.
 *
 * @category models
 * @since 0.1.0
 */
export interface PageOptions {
  readonly filter?: AgentFilter | undefined
  readonly after?: Id.AgentId | undefined
  readonly limit: number
}

/**
 * Selects queries. A query must match every field that is present.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryFilter {
  readonly agentId?: Id.AgentId | undefined
  /** Queries of the agents of this profile. */
  readonly profile?: string | undefined
  /** Queries of the agents of this pool. */
  readonly pool?: string | undefined
  /** The status, or any of several. */
  readonly status?: Query.QueryStatus | ReadonlyArray<Query.QueryStatus> | undefined
  /** The outcome, or any of several. Selects ended queries only. */
  readonly outcome?: AgentEvent.Outcome | ReadonlyArray<AgentEvent.Outcome> | undefined
  /** Queries created at this time or later. The time is the one in the query's id. */
  readonly since?: DateTime.Utc | undefined
}

/**
 * Selects a part of a list of queries.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryRange {
  /** `oldestFirst` when absent. */
  readonly order?: "oldestFirst" | "newestFirst" | undefined
  /** Continues behind this query, in the order of the list. */
  readonly after?: Id.QueryId | undefined
  readonly limit?: number | undefined
}

/**
 * Selects the ended queries whose usage is summed up.
 *
 * @category models
 * @since 0.1.0
 */
export interface UsageFilter {
  readonly agentId?: Id.AgentId | undefined
  readonly pool?: string | undefined
  /** Queries that ended at this time or later. */
  readonly since?: DateTime.Utc | undefined
}

/**
 * The usage of ended queries.
 *
 * @category models
 * @since 0.1.0
 */
export interface UsageSummary {
  readonly usage: TokenUsage.TokenUsage
  /** The number of queries. */
  readonly queries: number
  /** The number of queries per outcome. Outcomes that did not occur are absent. */
  readonly outcomes: Readonly<Partial<Record<AgentEvent.Outcome, number>>>
}

/**
 * The field by which usage is grouped.
 *
 * @category models
 * @since 0.1.0
 */
export type UsageGrouping = "agent" | "profile" | "day"

/**
 * The usage of the ended queries of one agent, one profile or one day.
 *
 * @category models
 * @since 0.1.0
 */
export interface UsageGroup {
  /** The agent's id, the profile's name, or the day in UTC such as `2026-01-31`. Absent for the profile of an unknown agent. */
  readonly key?: string | undefined
  /** The agent's name, when usage is grouped by agent and the store has the agent. */
  readonly name?: Agent.AgentName | undefined
  /** The number of queries. */
  readonly queries: number
  readonly usage: TokenUsage.TokenUsage
}

/**
 * The usage of a running query, as far as its agent has reported it.
 *
 * @category models
 * @since 0.1.0
 */
export interface RunningUsage {
  readonly id: Id.QueryId
  readonly startedAt: DateTime.Utc
  /** Its `wallMillis` is 0: the time is still running. */
  readonly usage: TokenUsage.TokenUsage
}

/**
 * The usage of all agents of a pool at one moment, terminated agents included.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolUsage {
  /** The usage of ended queries. */
  readonly ended: TokenUsage.TokenUsage
  /** The usage of each running query, oldest first. */
  readonly running: ReadonlyArray<RunningUsage>
}

/**
 * A record that is copied from another store.
 *
 * @category models
 * @since 0.1.0
 */
export type StateRecord =
  | { readonly _tag: "Pool"; readonly pool: PoolRecord.PoolRecord }
  | { readonly _tag: "Agent"; readonly agent: Agent.Agent }
  | { readonly _tag: "Query"; readonly query: StateDocument.LoggedQuery }

/**
 * The number of agents that `findAgents` returns at most, and of queries that `findQueries` returns.
 *
 * @category constants
 * @since 0.1.0
 */
export const mostFound = 10

/**
 * The least id of a query created at a time: ids are ordered by the time in them.
 *
 * @category pagination
 * @since 0.1.0
 */
export const leastIdAt = (time: DateTime.Utc): string =>
  `qry_${Id.ulid(Math.max(0, DateTime.toEpochMillis(time)), [])}`

/**
 * Orders groups of usage by key, groups without a key last.
 *
 * @category ordering
 * @since 0.1.0
 */
export const byKey = (a: UsageGroup, b: UsageGroup): number =>
  a.key === b.key ? 0 : a.key === undefined || (b.key !== undefined && a.key > b.key) ? 1 : -1

type Result<A> = Effect.Effect<A, StateStoreError.StateStoreError>
type Results<A> = Stream.Stream<A, StateStoreError.StateStoreError>

/**
 * Stores agents, queries, events and pools.
 *
 * **Details**
 *
 * Every change is atomic. Methods that take an id fail with `NotFound` when there is no such record. Methods that
 * take a fence fail with `Fenced`, and change nothing, when a newer lease of the same resource was granted.
 *
 * @category services
 * @since 0.1.0
 */
export class StateStore extends Context.Service<
  StateStore,
  {
    /**
     * Fails with `AlreadyExists` when the id is taken, and with `NameTaken` when an agent that is launching, active
     * or paused has the name. An agent in another status does not hold its name.
     */
    readonly createAgent: (agent: Agent.Agent) => Result<void>
    readonly getAgent: (id: Id.AgentId) => Result<Agent.Agent>
    /**
     * Writes an agent that was read and changed, and returns it with its next revision. Its usage stays as the store
     * has counted it. Fails with `RevisionConflict` when the agent was written in between, with `IllegalMove` when
     * the lifecycle does not allow the change of status, and with `NameTaken` when it would take the name of another.
     */
    readonly updateAgent: (agent: Agent.Agent, fence?: Lease.Fence) => Result<Agent.Agent>
    /** Lists agents, oldest first. */
    readonly listAgents: (filter?: AgentFilter) => Results<Agent.Agent>
    /** Returns one page of `listAgents`. */
    readonly pageAgents: (options: PageOptions) => Result<AgentPage>
    /**
     * Finds agents by id, name, or a prefix of the id with at least four characters after `agt_`.
     *
     * The best match wins: the agent with this id; else, among agents that hold their name, the one with this name,
     * then those whose id begins so; else the same among failed and lost agents; else among terminated agents.
     * Returns at most ten, newest first.
     */
    readonly findAgents: (text: string) => Result<ReadonlyArray<Agent.Agent>>
    /** Fails with `AlreadyExists` when the id is taken. */
    readonly createQuery: (query: Query.Query) => Result<void>
    readonly getQuery: (id: Id.QueryId) => Result<Query.Query>
    /**
     * Finds queries by id, or by a prefix of the id with at least four characters after `qry_`. Returns at most ten,
     * newest first.
     */
    readonly findQueries: (text: string) => Result<ReadonlyArray<Query.Query>>
    /** Returns the newest query of an agent, whatever its status. */
    readonly newestQuery: (agentId: Id.AgentId) => Result<Option.Option<Query.Query>>
    /** Lists queries, oldest first unless `range.order` says otherwise. */
    readonly listQueries: (filter?: QueryFilter, range?: QueryRange) => Results<Query.Query>
    /**
     * Marks a query as running and records its job, replacing any earlier job. Fails with `LogClosed` when the query
     * has ended.
     */
    readonly startQuery: (id: Id.QueryId, job: Query.QueryJob, fence?: Lease.Fence) => Result<Query.Query>
    /** Records the first request to cancel a query. Changes nothing when the query has ended. */
    readonly requestCancel: (id: Id.QueryId, by?: string) => Result<Query.Query>
    /**
     * Appends events to the log of a query and returns their records. `seq` continues without a gap. A `result` ends
     * the query and closes its log, and adds the query's usage to its agent; later appends fail with `LogClosed`.
     */
    readonly appendEvents: (
      id: Id.QueryId,
      events: ReadonlyArray<AgentEvent.AgentEvent>,
      fence?: Lease.Fence
    ) => Result<ReadonlyArray<AgentEvent.EventRecord>>
    /** Reads the log of a query from a `seq` to its present end. */
    readonly events: (id: Id.QueryId, fromSeq: number) => Results<AgentEvent.EventRecord>
    /** Fails with `AlreadyExists` when the name is taken. */
    readonly createPool: (pool: PoolRecord.PoolRecord) => Result<void>
    readonly getPool: (name: Id.PoolName) => Result<PoolRecord.PoolRecord>
    /**
     * Writes a pool that was read and changed, and returns it with its next revision. Fails with `RevisionConflict`
     * when the pool was written in between.
     */
    readonly updatePool: (pool: PoolRecord.PoolRecord) => Result<PoolRecord.PoolRecord>
    /** Removes a pool and frees its name. Succeeds when there is no such pool. */
    readonly removePool: (name: Id.PoolName) => Result<void>
    /** Lists all pools by name. */
    readonly listPools: Results<PoolRecord.PoolRecord>
    /**
     * Writes all records or none, and returns the ids and names of those it added. A record that exists is kept as it
     * is. The iterable is read once, while its records are written.
     */
    readonly restore: (records: Iterable<StateRecord>) => Result<ReadonlySet<string>>
    /** Sums up the usage of ended queries. */
    readonly usage: (filter?: UsageFilter) => Result<UsageSummary>
    /** Sums up the usage of ended queries per agent, profile or day, ordered by key. */
    readonly usageBy: (grouping: UsageGrouping, filter?: UsageFilter) => Result<ReadonlyArray<UsageGroup>>
    /** Returns the usage of a pool's agents, running queries included as their last `usage` event reported it. */
    readonly poolUsage: (pool: Id.PoolName) => Result<PoolUsage>
  }
>()("@remote-agent/orchestrator/StateStore") {}
