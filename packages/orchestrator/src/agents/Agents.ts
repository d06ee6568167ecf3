import { Agent, RemoteAgentConfig, Id, type OrchestratorError, type Profile } from "@remote-agent/domain"
import { GitWorkspace } from "@remote-agent/github"
import { KeepAlive, Sandboxes } from "@remote-agent/sandbox"
import { DateTime, Duration, Effect, type Scope, Stream } from "effect"
import type { Profiles } from "../profiles/Profiles.ts"
import { AgentRuntime } from "../runtime/AgentRuntime.ts"
import type { SetupSnapshots } from "../runtime/setup/SetupSnapshots.ts"
import * as AgentStore from "../state/AgentStore.ts"
import { LaunchIntents } from "../state/LaunchIntents.ts"
import { type AgentFilter, StateStore } from "../state/StateStore.ts"
import * as AgentRepository from "./AgentRepository.ts"
import type { AgentSandboxes } from "./AgentSandboxes.ts"
import { type LaunchSpec, onExpiry, type ReplaceOptions, scopedTtl } from "./AgentSpec.ts"
import * as LaunchAgent from "./LaunchAgent.ts"
import * as ReplaceAgent from "./ReplaceAgent.ts"
import * as TerminateAgent from "./TerminateAgent.ts"

export type { LaunchSpec, OnStage, ReplaceOptions } from "./AgentSpec.ts"

type Failure = OrchestratorError.OrchestratorError

/** How an agent in a scope is launched, beside its spec. */
interface ScopedOptions {
  /** Whether the setup may be kept for later launches; `true` when absent. */
  readonly keepsSetup?: boolean | undefined
}

/** Launches, replaces and terminates agents. */
export interface Agents {
  readonly launch: (spec: LaunchSpec) => Effect.Effect<Agent.Agent, Failure>
  readonly launchScoped: (
    spec: LaunchSpec,
    options?: ScopedOptions
  ) => Effect.Effect<Agent.Agent, Failure, Scope.Scope>
  /**
   * Gives an agent that was lost or has failed a new sandbox: empty, but for the files of its profile and its
   * repository, cloned again. Fails like `launch`, and with `AgentNotReady` for an agent in another status.
   */
  readonly replace: (id: Id.AgentId, options?: ReplaceOptions) => Effect.Effect<Agent.Agent, Failure>
  readonly terminate: TerminateAgent.TerminateAgent["terminate"]
  readonly get: (id: Id.AgentId) => Effect.Effect<Agent.Agent, Failure>
  readonly list: (filter?: AgentFilter) => Stream.Stream<Agent.Agent, Failure>
}

/** The agents of a store. */
export const make = Effect.fnUntraced(function* (
  agentSandboxes: AgentSandboxes,
  snapshots: SetupSnapshots
): Effect.fn.Return<
  Agents,
  never,
  | RemoteAgentConfig.RemoteAgentConfig
  | Profiles
  | AgentRuntime
  | Sandboxes.Sandboxes
  | AgentStore.AgentStore
  | StateStore
  | LaunchIntents
  | Scope.Scope
> {
  const [config, runtime, sandboxes, store, intents] = yield* Effect.all([
    RemoteAgentConfig.RemoteAgentConfig,
    AgentRuntime,
    Sandboxes.Sandboxes,
    StateStore,
    LaunchIntents
  ])
  // Only agents with a repository need it.
  const git = yield* Effect.serviceOption(GitWorkspace.GitWorkspace)
  const owner = config.REMOTE_AGENT_OWNER
  const agentStore = yield* AgentStore.AgentStore
  const services = { agentStore, git, intents, owner, runtime, sandboxes, snapshots, store }
  const launchAgent = yield* LaunchAgent.make(agentSandboxes, snapshots, services)
  const { release, terminate } = yield* TerminateAgent.make(agentSandboxes)
  const replace = yield* ReplaceAgent.make(agentSandboxes, launchAgent, git)

  const record = Effect.fnUntraced(function* (id: Id.AgentId, spec: LaunchSpec, profile: Profile.Profile) {
    const now = yield* DateTime.now
    yield* store.createAgent(
      new Agent.Agent({
        id,
        name: spec.name ?? Agent.AgentName.make(`${profile.name}-${id.slice(-6)}`),
        profile: profile.name,
        status: "launching",
        labels: spec.labels ?? {},
        persistent: spec.persistent ?? false,
        ...(spec.pool === undefined ? {} : { pool: spec.pool }),
        ...(spec.ttl === undefined ? {} : { ttl: Duration.fromInputUnsafe(spec.ttl) }),
        ...(spec.allowInternetAccess === undefined ? {} : { allowInternetAccess: spec.allowInternetAccess }),
        ...(spec.repository === undefined ? {} : { repository: new Agent.Repository(spec.repository) }),
        ...(spec.budget === undefined ? {} : { budget: spec.budget }),
        revision: 0,
        queryCount: 0,
        createdAt: now,
        updatedAt: now
      })
    )
  })

  /** The spec, with its repository as it is recorded. Fails before anything is created. */
  const checked = Effect.fnUntraced(function* (spec: LaunchSpec) {
    if (spec.repository === undefined) return spec
    const { server } = yield* AgentRepository.required("launch", git, spec.repository)
    const repository = AgentRepository.canonical(server, spec.repository)
    return { ...spec, repository: yield* LaunchAgent.inStage("repository")(repository) }
  })

  const launch: Agents["launch"] = Effect.fnUntraced(function* (asked) {
    const valid = yield* checked(asked)
    const id = asked.id ?? (yield* Id.nextAgentId)
    const persistent = valid.persistent ?? config.E2B_AUTO_PAUSE
    const spec = { ...valid, persistent, onExpiry: onExpiry(persistent) }
    return yield* launchAgent({
      id,
      spec,
      enter: (profile) => record(id, spec, profile),
      hold: () => Effect.succeed(false),
      keepsSetup: true
    })
  })

  const launchScoped: Agents["launchScoped"] = Effect.fnUntraced(function* (
    asked,
    { keepsSetup = true } = {}
  ) {
    const spec = yield* checked(asked)
    // The finalizer is there before there is anything to terminate, so the setup, which may take minutes, can be
    // interrupted.
    const id = yield* Effect.acquireRelease(
      asked.id === undefined ? Id.nextAgentId : Effect.succeed(asked.id),
      (made) => release(made, spec.keepFailed === true)
    )
    const ttl = Duration.fromInputUnsafe(spec.ttl ?? Duration.min(scopedTtl, config.E2B_MAX_TIMEOUT))
    return yield* launchAgent({
      id,
      spec: { ...spec, ttl, onExpiry: "kill" },
      enter: (profile) => record(id, spec, profile),
      hold: (sandboxId) => Effect.as(Effect.forkScoped(KeepAlive.keep(sandboxes, sandboxId, ttl)), true),
      keepsSetup
    })
  })

  return {
    launch,
    launchScoped,
    replace,
    terminate,
    get: Effect.fn("Orchestrator.get")((id: Id.AgentId) => AgentStore.stored("get", store.getAgent(id))),
    list: (filter) => Stream.mapError(store.listAgents(filter), AgentStore.fromStore("list"))
  }
})
