import type {
  Agent,
  AgentEvent,
  Budget,
  Id,
  OrchestratorError,
  PoolRecord,
  Query
} from "@remote-agent/domain"
import type { Duration, Effect, Result, Stream } from "effect"
import type { LaunchSpec } from "../agents/AgentSpec.ts"
import type { QueryOptions } from "../queries/Queries.ts"

/**
 * A pool of agents of one profile.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolSpec extends Omit<LaunchSpec, "id" | "name" | "pool"> {
  /**
   * Keeps the pool in the store under this name. Its agents outlive the scope, and opening the name again uses those
   * that are healthy. Several processes may use it at once.
   *
   * **Details**
   *
   * `profile`, `persistent`, `labels`, `whenFull`, `maxSize`, `queueLimit` and `poolBudget` are recorded. An option that
   * is absent keeps its recorded value, and one that is given replaces it, except the profile: another one fails with
   * `OtherProfile`.
   */
  readonly name?: Id.PoolName | undefined
  /** What happens to a query when every agent is busy; `wait` when absent. */
  readonly whenFull?: PoolRecord.WhenFull | undefined
  /** The most agents while the pool bursts; `size` when absent. */
  readonly maxSize?: number | undefined
  /** How many queries may wait before one is rejected; 0 when absent. */
  readonly queueLimit?: number | undefined
  /** What all agents of the pool may use together, terminated ones included. */
  readonly poolBudget?: Budget.Budget | undefined
  /** How long the end of the scope waits for running queries; not at all when absent. */
  readonly drain?: Duration.Input | undefined
  /** How many agents; at least 1. */
  readonly size: number
  /** How many launches may be under way at once; 5 when absent. */
  readonly launchConcurrency?: number | undefined
  /** How often in a row an agent whose sandbox is gone is replaced; 3 when absent, never when 0. */
  readonly replacements?: number | undefined
  /** Receives every event of the pool, in order. The pool waits for it. */
  readonly onEvent?: ((event: PoolEvent) => Effect.Effect<void>) | undefined
}

/**
 * An event of a pool. `slot` counts the places for agents from 0.
 *
 * @category models
 * @since 0.1.0
 */
export type PoolEvent =
  | { readonly _tag: "Launching"; readonly slot: number }
  | { readonly _tag: "Ready"; readonly slot: number; readonly agent: Agent.Agent }
  | {
      readonly _tag: "LaunchFailed"
      readonly slot: number
      readonly error: OrchestratorError.OrchestratorError
    }
  | { readonly _tag: "Started"; readonly slot: number; readonly index: number; readonly query: string }
  | { readonly _tag: "Event"; readonly slot: number; readonly record: AgentEvent.EventRecord }
  | { readonly _tag: "Ended"; readonly slot: number; readonly result: PoolResult }
  | { readonly _tag: "Lost"; readonly slot: number; readonly agent: Agent.Agent }
  | { readonly _tag: "Retired"; readonly slot: number; readonly agent: Agent.Agent }

/**
 * The result of one query of a pool. `index` is its position among the queries that were given together.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolResult {
  readonly index: number
  readonly query: string
  /** Absent when no agent was left. */
  readonly agentId?: Id.AgentId | undefined
  readonly result: Result.Result<Query.QueryResult, OrchestratorError.OrchestratorError>
}

/**
 * The agents of a pool once its launches are over.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolMembers {
  readonly agents: ReadonlyArray<Agent.Agent>
  readonly failures: ReadonlyArray<OrchestratorError.OrchestratorError>
}

/**
 * How queries are given to a pool.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolQueryOptions extends Pick<QueryOptions, "timeout"> {
  /** The order of the results: that of the queries (the default), or that of their completion. */
  readonly order?: "input" | "completion" | undefined
}

/**
 * Agents that share the queries they are given. Without a name they are terminated with the scope of the pool.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentPool {
  /** How many agents there are, or are being launched. */
  readonly size: Effect.Effect<number>
  /** How many queries wait for an agent. */
  readonly waiting: Effect.Effect<number>
  /** Waits until no launch is under way, and returns the agents of the pool and the launches that failed. */
  readonly settled: Effect.Effect<PoolMembers>
  /** Changes the number of agents, and with it how many queries run at once. An agent that is too many finishes its query before it is terminated. */
  readonly resize: (size: number) => Effect.Effect<void>
  /**
   * Runs queries, each on the next free agent. There may be many more queries than agents. A failure is the result of
   * its own query only. Leaving the stream cancels the queries that run.
   */
  readonly query: (texts: Iterable<string>, options?: PoolQueryOptions) => Stream.Stream<PoolResult>
}
