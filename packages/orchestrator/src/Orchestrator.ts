import {
  type Agent,
  type AgentEvent,
  RemoteAgentConfig,
  type Id,
  type OrchestratorError,
  type PoolRecord,
  Query,
  type ImportReport
} from "@remote-agent/domain"
import { Sandboxes } from "@remote-agent/sandbox"
import { Context, Effect, Layer, Option, Redacted, type Scope, Stream } from "effect"
import * as AgentHandle from "./AgentHandle.ts"
import * as AgentLifecycle from "./agents/AgentLifecycle.ts"
import * as AgentLocks from "./agents/AgentLocks.ts"
import * as Agents from "./agents/Agents.ts"
import * as AgentSandboxes from "./agents/AgentSandboxes.ts"
import * as AgentPool from "./pools/AgentPool.ts"
import * as NamedPools from "./pools/NamedPools.ts"
import * as Profiles from "./profiles/Profiles.ts"
import * as ForkAgent from "./queries/ForkAgent.ts"
import * as Queries from "./queries/Queries.ts"
import * as QueryHandle from "./queries/QueryHandle.ts"
import * as Reaper from "./reaper/Reaper.ts"
import * as AgentRuntime from "./runtime/AgentRuntime.ts"
import * as SetupSnapshots from "./runtime/setup/SetupSnapshots.ts"
import * as AgentStore from "./state/AgentStore.ts"
import * as LaunchIntents from "./state/LaunchIntents.ts"
import type { Leases } from "./state/Leases.ts"
import * as MemoryStateStore from "./state/memory/MemoryStateStore.ts"
import * as SnapshotIndex from "./state/SnapshotIndex.ts"
import {
  type AgentFilter,
  type QueryFilter,
  type QueryRange,
  StateStore,
  type UsageFilter,
  type UsageSummary
} from "./state/StateStore.ts"
import * as StateExport from "./state/transfer/StateExport.ts"
import * as StateImport from "./state/transfer/StateImport.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * How one query is put to an agent of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface AskOptions extends Omit<Agents.LaunchSpec, "id" | "name">, Omit<Queries.QueryOptions, "id"> {
  /** Receives every event of the query, in order. */
  readonly onEvent?: ((record: AgentEvent.EventRecord) => Effect.Effect<void>) | undefined
}

/**
 * Launches agents and finds them again.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentGroup {
  /**
   * Launches an agent that outlives this process. It ends with `terminate`, or with the ttl of its sandbox.
   *
   * **Details**
   *
   * Fails with `LaunchFailed`, which names the stage. Nothing is left of a failed launch but its record.
   */
  readonly launch: (spec?: Agents.LaunchSpec) => Effect.Effect<AgentHandle.AgentHandle, Failure>
  /** Launches an agent that is terminated when the scope closes, however it closes. Fails like `launch`. */
  readonly launchScoped: (
    spec?: Agents.LaunchSpec
  ) => Effect.Effect<AgentHandle.AgentHandle, Failure, Scope.Scope>
  /** Reads an agent. Fails with `AgentNotFound`. */
  readonly get: (id: Id.AgentId) => Effect.Effect<AgentHandle.AgentHandle, Failure>
  /** A handle on an agent whose record the caller has. Reads nothing. */
  readonly of: (record: Agent.Agent) => AgentHandle.AgentHandle
  /** Streams the records of agents, oldest first. Asks no provider. */
  readonly list: (filter?: AgentFilter) => Stream.Stream<Agent.Agent, Failure>
  /**
   * Streams agents like `list`, with the status that their sandboxes show now: an agent whose sandbox the provider has
   * paused because its ttl was over is `paused`. Asks the provider once for all of them and resumes none.
   */
  readonly observe: (filter?: AgentFilter) => Stream.Stream<Agent.Agent, Failure>
  /** Finds agents by id, by the beginning of an id, or by name. Returns at most ten. */
  readonly find: (text: string) => Effect.Effect<ReadonlyArray<Agent.Agent>, Failure>
}

/**
 * Queries of all agents.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryGroup {
  /** Reads a query. Fails with `QueryNotFound`. */
  readonly get: (id: Id.QueryId) => Effect.Effect<QueryHandle.QueryHandle, Failure>
  /** A handle on a query whose record the caller has. Reads nothing. */
  readonly of: (record: Query.Query) => QueryHandle.QueryHandle
  /**
   * Runs a query under an id that the caller chose and recorded before, and follows one of that id that exists: it is
   * never started twice. Leaving the stream leaves the query running. Of the options, `session`, `timeout`, `model`,
   * `maxIterations` and the budgets count.
   */
  readonly submit: Queries.Queries["submit"]
  /** Closes a query that was recorded and not started, so that it is never started. Others stay as they are. */
  readonly abandon: (id: Id.QueryId) => Effect.Effect<void, Failure>
  /** Streams the records of queries, oldest first. */
  readonly list: (filter?: QueryFilter, range?: QueryRange) => Stream.Stream<Query.Query, Failure>
  /**
   * Launches an agent, runs one query, and terminates the agent when the scope closes.
   *
   * **Details**
   *
   * The result is there before the agent is terminated. Close the scope after the answer was shown, or use
   * `Effect.scoped(queries.ask(text))` where that does not matter. Fails like `launch` and `query`.
   */
  readonly ask: (text: string, options?: AskOptions) => Effect.Effect<Query.QueryResult, Failure, Scope.Scope>
  /** Sums up what queries have used. */
  readonly usage: (filter?: UsageFilter) => Effect.Effect<UsageSummary, Failure>
}

/**
 * Agents that share the queries put to them.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolGroup {
  /**
   * Opens a pool.
   *
   * **Details**
   *
   * The agents of a pool without a name are terminated when the scope closes. Those of a pool with a name stay, and
   * opening it again uses them again. Fails with the failure of the last launch when no agent could be launched.
   */
  readonly open: (spec: AgentPool.PoolSpec) => Effect.Effect<AgentPool.AgentPool, Failure, Scope.Scope>
  /**
   * Changes the size of a named pool: launches the agents it lacks and terminates those that are too many, unless they
   * are answering a query. Fails with `PoolNotFound`.
   */
  readonly resize: NamedPools.NamedPools["resize"]
  /** Terminates the agents of a named pool and forgets the pool. Succeeds when there is none. */
  readonly close: (name: Id.PoolName) => Effect.Effect<void, Failure>
  /** Streams the named pools, by name. */
  readonly list: Stream.Stream<PoolRecord.PoolRecord, Failure>
}

/**
 * The records of agents, queries and pools as a whole.
 *
 * @category models
 * @since 0.1.0
 */
export interface StateGroup {
  /**
   * Writes the state to a file, whole or not at all. Secrets of the configuration and of the profiles are masked.
   * Fails with `StoreFailed`, and with `NotConfigured` when the secrets cannot be read.
   */
  readonly export: (file: string) => Effect.Effect<StateExport.Exported, Failure>
  /**
   * Adds the records of a file to this state, all or none. Records that exist already stay as they are.
   *
   * **Details**
   *
   * Agents whose sandbox still exists can be used from here on. Their sandboxes keep the label of the owner that made
   * them, so no reaper of this state terminates them. Fails with `StoreFailed`, whose cause lists every problem of the
   * file.
   *
   * **Gotchas**
   *
   * Use an agent from one state only, not from both.
   */
  readonly import: (file: string) => Effect.Effect<ImportReport.ImportReport, Failure>
  /** Terminates what crashes have left. With `dryRun` it only reports what it would do. See `Reaper`. */
  readonly reap: Reaper.Reaper["Service"]["reap"]
}

/**
 * Launches agents, runs their queries, pools them, and keeps their state.
 *
 * **Details**
 *
 * Every failure is an `OrchestratorError` with a tagged `reason`.
 *
 * @category services
 * @since 0.1.0
 */
export class Orchestrator extends Context.Service<
  Orchestrator,
  {
    readonly agents: AgentGroup
    readonly queries: QueryGroup
    readonly pools: PoolGroup
    readonly state: StateGroup
  }
>()("@remote-agent/orchestrator/Orchestrator") {}

const isSecret = (value: unknown): value is Redacted.Redacted =>
  Redacted.isRedacted(value) && typeof Redacted.value(value) === "string"

/** The state of an installation, without the secrets of its settings and profiles. */
const makeState = Effect.gen(function* () {
  const [config, profiles, sandboxes, store] = yield* Effect.all([
    RemoteAgentConfig.RemoteAgentConfig,
    Profiles.Profiles,
    Sandboxes.Sandboxes,
    StateStore
  ])
  const { reap } = yield* Reaper.make

  const secrets = Effect.gen(function* () {
    const settings: ReadonlyArray<unknown> = Object.values(config).flat()
    const ofProfiles = yield* Effect.forEach(profiles.list, (profile) => profiles.secrets(profile))
    return [...settings.filter(isSecret), ...ofProfiles.flat()]
  })

  const group: StateGroup = {
    export: Effect.fn("Orchestrator.exportState")(function* (file) {
      const masked = yield* secrets
      return yield* AgentStore.stored("exportState", StateExport.exportTo(store, file, { secrets: masked }))
    }),
    import: Effect.fn("Orchestrator.importState")((file) =>
      AgentStore.stored("importState", StateImport.importFrom(store, file, StateImport.checkWith(sandboxes)))
    ),
    reap
  }
  return group
})

/**
 * The orchestrator over the services that are there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const store = yield* StateStore
  const sandboxes = yield* AgentSandboxes.make
  const locks = yield* AgentLocks.make
  const snapshots = yield* SetupSnapshots.make
  const agents = yield* Agents.make(sandboxes, snapshots)
  const queries = yield* Queries.make(agents, sandboxes, locks)
  const lifecycle = yield* AgentLifecycle.make(sandboxes, locks, queries.acquireIdle, snapshots)
  const fork = yield* ForkAgent.make(agents, sandboxes, queries)
  const pools = yield* NamedPools.make(agents, lifecycle, queries)
  const state = yield* makeState

  // A process that asks once has no use for a snapshot that only it can find.
  const keepsSetup = Option.exists(
    yield* Effect.serviceOption(SnapshotIndex.SnapshotIndex),
    (index) => index.durable
  )
  const agentOf = AgentHandle.make({ agents, fork, lifecycle, queries, sandboxes })
  const queryOf = QueryHandle.make(queries)

  const agentGroup: AgentGroup = {
    launch: (spec = {}) => Effect.map(agents.launch(spec), agentOf),
    launchScoped: (spec = {}) => Effect.map(agents.launchScoped(spec), agentOf),
    get: (id) => Effect.map(agents.get(id), agentOf),
    of: agentOf,
    list: agents.list,
    observe: lifecycle.observe,
    find: lifecycle.find
  }

  const queryGroup: QueryGroup = {
    get: Effect.fn("Orchestrator.getQuery")((id) =>
      Effect.map(AgentStore.stored("getQuery", store.getQuery(id)), queryOf)
    ),
    of: queryOf,
    submit: queries.submit,
    abandon: queries.abandon,
    list: (filter, range) =>
      Stream.mapError(store.listQueries(filter, range), AgentStore.fromStore("listQueries")),
    ask: Effect.fn("Orchestrator.ask")(function* (text, options = {}) {
      const { id } = yield* agents.launchScoped(options, { keepsSetup })
      return yield* queries.query(id, text, options, options.onEvent)
    }),
    usage: Effect.fn("Orchestrator.usage")((filter) => AgentStore.stored("usage", store.usage(filter)))
  }

  const poolGroup: PoolGroup = {
    open: (spec) =>
      spec.name === undefined ? AgentPool.make(agents, queries, spec) : pools.open(spec, spec.name),
    resize: pools.resize,
    close: pools.close,
    list: Stream.mapError(store.listPools, AgentStore.fromStore("listPools"))
  }

  return Orchestrator.of({
    agents: agentGroup,
    queries: queryGroup,
    pools: poolGroup,
    state
  })
}).pipe(Effect.provideServiceEffect(AgentStore.AgentStore, AgentStore.make))

/**
 * The orchestrator without its state, profiles and runtime.
 *
 * **When to use**
 *
 * Use it to provide a store, profiles or a runtime of your own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNoDeps: Layer.Layer<
  Orchestrator,
  never,
  | RemoteAgentConfig.RemoteAgentConfig
  | Sandboxes.Sandboxes
  | AgentRuntime.AgentRuntime
  | Profiles.Profiles
  | StateStore
  | Leases
  | LaunchIntents.LaunchIntents
> = Layer.effect(Orchestrator, make)

/**
 * The orchestrator with the profiles of this package and of the configuration, and its state in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  | Orchestrator
  | Profiles.Profiles
  | StateStore
  | Leases
  | LaunchIntents.LaunchIntents
  | SnapshotIndex.SnapshotIndex,
  RemoteAgentConfig.ConfigError,
  RemoteAgentConfig.RemoteAgentConfig | Sandboxes.Sandboxes
> = layerNoDeps.pipe(
  Layer.provide(AgentRuntime.layer),
  Layer.provideMerge(
    Layer.mergeAll(
      Profiles.layer(),
      MemoryStateStore.layer,
      LaunchIntents.layerMemory,
      SnapshotIndex.layerMemory
    )
  )
)
