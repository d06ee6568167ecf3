import {
  type Agent,
  type AgentEvent,
  type RemoteAgentConfig,
  type Id,
  OrchestratorError,
  Query
} from "@remote-agent/domain"
import type { Sandboxes } from "@remote-agent/sandbox"
import { Context, Effect, Layer, type Scope, type Stream } from "effect"
import * as AgentPool from "./pools/AgentPool.ts"
import * as AgentRuntime from "./runtime/AgentRuntime.ts"
import * as Agents from "./agents/Agents.ts"
import * as ForkAgent from "./queries/ForkAgent.ts"
import * as LaunchIntents from "./state/LaunchIntents.ts"
import * as SetupSnapshots from "./runtime/setup/SetupSnapshots.ts"
import type { Leases } from "./state/Leases.ts"
import * as MemoryStateStore from "./state/memory/MemoryStateStore.ts"
import * as NamedPools from "./pools/NamedPools.ts"
import * as AgentLifecycle from "./agents/AgentLifecycle.ts"
import * as AgentSandboxes from "./agents/AgentSandboxes.ts"
import * as Profiles from "./profiles/Profiles.ts"
import * as Queries from "./queries/Queries.ts"
import * as Reaper from "./reaper/Reaper.ts"
import * as AgentStore from "./state/AgentStore.ts"
import * as SnapshotIndex from "./state/SnapshotIndex.ts"
import * as StateTransfer from "./state/transfer/StateTransfer.ts"
import { type AgentFilter, StateStore, type UsageFilter, type UsageSummary } from "./state/StateStore.ts"
import * as AgentLocks from "./agents/AgentLocks.ts"

/** How one question is put to an agent of its own. */
export interface AskOptions extends Omit<Agents.LaunchSpec, "name">, Queries.QueryOptions {
  /** Told of every event of the query, in order. */
  readonly onEvent?: ((record: AgentEvent.EventRecord) => Effect.Effect<void>) | undefined
}

/**
 * Launches agents, puts queries to them and ends them. Failures are `OrchestratorError`s.
 */
export class Orchestrator extends Context.Service<
  Orchestrator,
  {
    /**
     * Launches an agent that belongs to the caller and outlives this process: `terminate` ends it, or the end of its
     * sandbox's life. Fails with `LaunchFailed`, which names the stage; then nothing is left of it but its record.
     */
    readonly launch: (
      spec?: Agents.LaunchSpec
    ) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>
    /** Launches an agent that is terminated when the scope closes, however it closes. Fails like `launch`. */
    readonly launchScoped: (
      spec?: Agents.LaunchSpec
    ) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError, Scope.Scope>
    /**
     * Puts a question and waits for the answer; queries of one agent are answered one after the other. Fails with
     * `QueryFailed` when there is no answer, with `AgentNotReady` when the agent takes none, and with `AgentLost`
     * when the provider confirmed that its sandbox is gone.
     */
    readonly query: (
      id: Id.AgentId,
      text: string,
      options?: Queries.QueryOptions
    ) => Effect.Effect<Query.QueryResult, OrchestratorError.OrchestratorError>
    /**
     * Puts a question and streams what the agent does, each event from the store. The last is the only `result`, of
     * whatever outcome. Leaving the stream stops the query, whose outcome is then `aborted`.
     */
    readonly stream: (
      id: Id.AgentId,
      text: string,
      options?: Queries.QueryOptions
    ) => Stream.Stream<AgentEvent.EventRecord, OrchestratorError.OrchestratorError>
    /**
     * Puts a question, has its program started, and gives back the query: it runs on in the sandbox, whatever becomes
     * of this process. `events` tells how it goes, here and anywhere else. Waits for the queries before it.
     */
    readonly start: (
      id: Id.AgentId,
      text: string,
      options?: Queries.QueryOptions
    ) => Effect.Effect<Query.Query, OrchestratorError.OrchestratorError>
    /**
     * The log of a query from a `seq` on, until its result, whoever runs it. Where nobody does any more, it is taken
     * over, without a gap or a repetition. Leaving the stream changes nothing.
     */
    readonly events: (
      id: Id.QueryId,
      fromSeq?: number
    ) => Stream.Stream<AgentEvent.EventRecord, OrchestratorError.OrchestratorError>
    /** Stops a query, whoever runs it, and gives it back when it has ended. Succeeds when it has ended already. */
    readonly cancel: (
      id: Id.QueryId,
      by?: string
    ) => Effect.Effect<Query.Query, OrchestratorError.OrchestratorError>
    /** Ends an agent and its sandbox. Succeeds when it has ended already. */
    readonly terminate: (id: Id.AgentId) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>
    /**
     * Puts an agent to sleep: its sandbox keeps memory and files and costs little. A query wakes it. Fails with
     * `QueryRunning` while it answers, unless that is waited for or cancelled.
     */
    readonly pause: AgentLifecycle.AgentLifecycle["pause"]
    /** Wakes an agent. Succeeds when it is awake. */
    readonly resume: AgentLifecycle.AgentLifecycle["resume"]
    /**
     * Brings the program of an agent to what its profile says now. Fails with `UpdateFailed`; the agent is then as it
     * was before, or, where even that failed, as it was left, and its `detail` says so. Like `pause` while it answers.
     * With `resume: false` one that sleeps is not woken for it: it fails with `AgentPaused`.
     */
    readonly update: (
      id: Id.AgentId,
      options?: AgentLifecycle.AgentOperationOptions & AgentSandboxes.AgentSandboxOptions
    ) => ReturnType<AgentLifecycle.AgentLifecycle["update"]>
    /**
     * Works in the place of an agent while it answers nothing and nobody else works with it. Fails with `QueryRunning`
     * while it answers, unless that is waited for or cancelled, and with `AgentPaused` when it must not be woken.
     */
    readonly withExclusiveAccess: AgentLifecycle.AgentLifecycle["withExclusiveAccess"]
    /** Gives an agent that was lost or has failed a new and empty sandbox, under the same id. */
    readonly replace: Agents.Agents["replace"]
    /**
     * Launches another agent of the same profile that goes on with the conversations of this one, which go apart from
     * then on. Of the files only those that hold them are copied. Fails like `launch`, with `QueryRunning` while it
     * answers, with `NoSessions` when its profile keeps no conversations, and with `SandboxFailed` when they take more
     * than 64 MiB. Wakes it.
     */
    readonly fork: ForkAgent.ForkAgent
    /** Looks at an agent from all sides, and wakes nothing. What cannot be looked at is skipped, not failed. */
    readonly health: AgentLifecycle.AgentLifecycle["health"]
    /** An agent with how its sandbox is, the query that it answers, and those that wait. Wakes nothing. */
    readonly info: AgentLifecycle.AgentLifecycle["info"]
    readonly rename: AgentLifecycle.AgentLifecycle["rename"]
    /** Sets labels; one without a value is taken away, and the others stay. */
    readonly label: AgentLifecycle.AgentLifecycle["label"]
    /** The agents that somebody may mean: by id, by the beginning of an id, or by name; ten at the most. */
    readonly find: AgentLifecycle.AgentLifecycle["find"]
    /** What queries have used, of all agents or of some, summed up. */
    readonly usage: (filter?: UsageFilter) => Effect.Effect<UsageSummary, OrchestratorError.OrchestratorError>
    /** Ends what crashes have left, or with `dryRun` only says what it would. See `Reaper`. */
    readonly reap: Reaper.Reaper["Service"]["reap"]
    /**
     * Writes the state into a file, which has it whole or is what it was before. No secret of the configuration or of a
     * profile is in it. Fails with `StoreFailed`, and with `NotConfigured` when the secrets cannot be read.
     */
    readonly exportState: StateTransfer.StateTransfer["exportState"]
    /**
     * Takes what a file says into this state, all of it or nothing; what is there already stays as it is. Agents whose
     * sandbox still exists can be asked, paused and terminated from here on. Their sandboxes keep the stamp of the
     * owner that made them: no reaper of this state ends them. Have one state work with an agent, not both. Fails with
     * `StoreFailed`, whose cause lists every problem of the file.
     */
    readonly importState: StateTransfer.StateTransfer["importState"]
    /** The record of an agent. */
    readonly get: (id: Id.AgentId) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>
    /** The agents there is a record of, oldest first. */
    readonly list: (filter?: AgentFilter) => Stream.Stream<Agent.Agent, OrchestratorError.OrchestratorError>
    /** Launches an agent, puts one question, and terminates the agent, however it went. */
    readonly ask: (
      text: string,
      options?: AskOptions
    ) => Effect.Effect<Query.QueryResult, OrchestratorError.OrchestratorError>
    /** Terminates the agents of a pool with a name and forgets it. Succeeds when there is none. */
    readonly closePool: (name: Id.PoolName) => Effect.Effect<void, OrchestratorError.OrchestratorError>
    /**
     * Launches agents that share the queries put to them and are terminated when the scope closes, unless the pool has
     * a name.
     */
    readonly pool: (
      spec: AgentPool.PoolSpec
    ) => Effect.Effect<AgentPool.AgentPool, OrchestratorError.OrchestratorError, Scope.Scope>
  }
>()("@remote-agent/orchestrator/Orchestrator") {}

/** The orchestrator over whatever services there are. */
export const make = Effect.gen(function* () {
  const places = yield* AgentSandboxes.make
  const turns = yield* AgentLocks.make
  const setUps = yield* SetupSnapshots.make
  const agents = yield* Agents.make(places, setUps)
  const queries = yield* Queries.make(agents, places, turns)
  const operations = yield* AgentLifecycle.make(places, turns, queries)
  const store = yield* StateStore
  const { reap } = yield* Reaper.make
  const pools = yield* NamedPools.make(agents, operations)
  const transfer = yield* StateTransfer.make
  const profiles = yield* Profiles.Profiles

  const ask = Effect.fn("Orchestrator.ask")(function* (text: string, options: AskOptions = {}) {
    const agent = yield* agents.launchScoped(options)
    return yield* queries.query(agent.id, text, options, options.onEvent)
  }, Effect.scoped)

  /** What was kept may be of the code before: whoever updates one agent wants the next to be as new. */
  const update: Orchestrator["Service"]["update"] = Effect.fnUntraced(function* (id, options) {
    const updated = yield* operations.update(id, options)
    const { profile } = yield* agents.get(id)
    yield* setUps.invalidate(yield* profiles.get(profile))
    return updated
  })

  return Orchestrator.of({
    launch: (spec = {}) => agents.launch(spec),
    launchScoped: (spec = {}) => agents.launchScoped(spec),
    query: (id, text, options) => queries.query(id, text, options),
    stream: queries.stream,
    start: queries.start,
    events: queries.events,
    cancel: queries.cancel,
    terminate: agents.terminate,
    ...operations,
    ...transfer,
    update,
    fork: yield* ForkAgent.make(agents, places, queries),
    reap,
    replace: agents.replace,
    usage: Effect.fn("Orchestrator.usage")((filter) =>
      Effect.mapError(store.usage(filter), AgentStore.fromStore("usage"))
    ),
    get: agents.get,
    list: agents.list,
    ask,
    pool: Effect.fnUntraced(function* (spec) {
      if (spec.name === undefined) return yield* AgentPool.make(agents, queries, spec)
      const opened = yield* pools.open(spec, spec.name)
      return yield* AgentPool.make(agents, queries, opened.spec, opened.reuse)
    }),
    closePool: pools.close
  })
})

/** The orchestrator without its state, profiles and runtime, for those who bring their own. */
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

/** The orchestrator with the profiles of this package and of the configuration, and its state in memory. */
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
