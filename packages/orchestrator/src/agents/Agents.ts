import {
  Agent,
  Budget,
  RemoteAgentConfig,
  Id,
  LaunchIntent,
  AgentLifecycle,
  OrchestratorError,
  type Profile,
  SandboxError,
  SandboxLabels,
  StateStoreError
} from "@remote-agent/domain"
import { GitWorkspace } from "@remote-agent/github"
import { KeepAlive, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import {
  Cause,
  Clock,
  DateTime,
  Duration,
  Effect,
  Option,
  type Redacted,
  Result,
  type Scope,
  Stream
} from "effect"
import * as AgentRepository from "../repositories/AgentRepository.ts"
import { AgentRuntime } from "../runtime/AgentRuntime.ts"
import * as LaunchIntents from "../state/LaunchIntents.ts"
import * as LaunchCircuitBreaker from "./LaunchCircuitBreaker.ts"
import * as SetupSnapshots from "../runtime/setup/SetupSnapshots.ts"
import type { AgentSandboxes } from "./AgentSandboxes.ts"
import { Profiles } from "../profiles/Profiles.ts"
import * as AgentStore from "../state/AgentStore.ts"
import type { Entry } from "../state/SnapshotIndex.ts"
import { type AgentFilter, StateStore } from "../state/StateStore.ts"

export { fromSandbox, fromStore } from "../state/AgentStore.ts"

/** How long a sandbox of an agent that belongs to a scope lives on when nobody is left to extend its life. */
const shortLife = Duration.minutes(3)

/** What an agent is to be. */
export interface LaunchSpec {
  /** How people call it; made from the profile's name when absent. */
  readonly name?: Agent.AgentName | undefined
  /** The configured default (`REMOTE_AGENT_PROFILE`) when absent. */
  readonly profile?: string | undefined
  /**
   * How long its sandbox may live; `E2B_DEFAULT_TIMEOUT` when absent. For an agent that belongs to a scope: how long
   * it lives on when nobody is left to extend its life; 3 minutes when absent.
   */
  readonly ttl?: Duration.Input | undefined
  /**
   * The environment of its sandbox; the place for keys. Their values are struck out of what the agent prints, but for
   * those that the profile has a rule for that is not secret, and for open text that plainly is no key: a word, a
   * number, a path, fewer than 6 characters.
   */
  readonly env?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  readonly allowInternetAccess?: boolean | undefined
  /** Whether its sandbox pauses, and does not end, at the end of its life; `E2B_AUTO_PAUSE` when absent. */
  readonly persistent?: boolean | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  /**
   * The repository that it works on, as `owner/name` or the address, and the branch, tag or commit; cloned into its
   * work folder after set-up. Needs `GitWorkspace`.
   */
  readonly repository?: Pick<Agent.Repository, "url" | "ref"> | undefined
  /** What all its queries together may use. */
  readonly budget?: Budget.Budget | undefined
  /** The pool that it works for. */
  readonly pool?: Id.PoolName | undefined
  /** Told of every stage as it begins. A launch does not go on before it has been told. */
  readonly onStage?: OnStage | undefined
}

/** Hears of the stages of a launch. */
export type OnStage = (stage: OrchestratorError.LaunchStage) => Effect.Effect<void>

/** What a new sandbox of an agent is to have that its record does not say. */
export type ReplaceOptions = Pick<LaunchSpec, "env">

const at =
  (stage: OrchestratorError.LaunchStage, onStage?: OnStage) =>
  <A, R>(effect: Effect.Effect<A, OrchestratorError.LaunchFailed["cause"], R>) =>
    Effect.mapError(onStage === undefined ? effect : Effect.andThen(onStage(stage), effect), (cause) =>
      AgentStore.failure("launch", new OrchestratorError.LaunchFailed({ stage, cause }))
    ).pipe(Effect.withSpan(`Orchestrator.launch.${stage}`))

/** Launches and ends agents. */
export interface Agents {
  readonly launch: (spec: LaunchSpec) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>
  readonly launchScoped: (
    spec: LaunchSpec
  ) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError, Scope.Scope>
  /**
   * Gives an agent that was lost or has failed a new sandbox, empty but for what its profile puts there and its
   * repository, cloned anew. Fails like
   * `launch`, and with `AgentNotReady` for an agent in another status.
   */
  readonly replace: (
    id: Id.AgentId,
    options?: ReplaceOptions
  ) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>
  readonly terminate: (id: Id.AgentId) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>
  readonly get: (id: Id.AgentId) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>
  readonly list: (filter?: AgentFilter) => Stream.Stream<Agent.Agent, OrchestratorError.OrchestratorError>
}

const onExpiry = (persistent: boolean) => (persistent ? ("pause" as const) : ("kill" as const))

interface Furnishing {
  /** The set-up that the sandbox was made from. */
  readonly kept: Entry | undefined
  /** What must be in no template. */
  readonly hidden: ReadonlyArray<string | Redacted.Redacted>
  /** What is to be struck out of what the agent prints, by the variables of its sandbox. */
  readonly masked: Readonly<Record<string, Redacted.Redacted>>
  readonly repository: LaunchSpec["repository"]
  readonly onStage: OnStage | undefined
  /** When the sandbox was asked for, in milliseconds since 1970. */
  readonly since: number
}

/** The records of agents, and the sandboxes that they are bound to. */
export const make = Effect.fnUntraced(function* (
  places: AgentSandboxes,
  setUps: SetupSnapshots.SetupSnapshots
): Effect.fn.Return<
  Agents,
  never,
  | RemoteAgentConfig.RemoteAgentConfig
  | Profiles
  | AgentRuntime
  | Sandboxes.Sandboxes
  | StateStore
  | LaunchIntents.LaunchIntents
  | Scope.Scope
> {
  const [config, profiles, runtime, sandboxes, store, intents] = yield* Effect.all([
    RemoteAgentConfig.RemoteAgentConfig,
    Profiles,
    AgentRuntime,
    Sandboxes.Sandboxes,
    StateStore,
    LaunchIntents.LaunchIntents
  ])
  // Only agents with a repository need it.
  const git = yield* Effect.serviceOption(GitWorkspace.GitWorkspace)
  const breaker = yield* LaunchCircuitBreaker.make(sandboxes.provider)

  const { change, move, unbind } = AgentStore.make(store)

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

  const lifeOf = (ttl: Duration.Input) => {
    const [asked, longest] = [Duration.fromInputUnsafe(ttl), config.E2B_MAX_TIMEOUT]
    const detail = `a life of ${Duration.format(asked)} is longer than E2B_MAX_TIMEOUT allows (${Duration.format(longest)})`
    return Duration.isGreaterThan(asked, longest)
      ? Effect.fail(SandboxError.fail("create", new SandboxError.InvalidRequest({ detail })))
      : Effect.succeed(asked)
  }

  const intend = Effect.fnUntraced(function* (id: Id.AgentId, attemptId: Id.AttemptId) {
    const { provider } = sandboxes
    const now = yield* DateTime.now
    yield* intents.open(
      new LaunchIntent.LaunchIntent({
        attemptId,
        agentId: id,
        owner: config.REMOTE_AGENT_OWNER,
        provider,
        at: now
      })
    )
  })

  /** Only once it is certain what became of the sandbox. One that stays open does no harm: the reaper closes it. */
  const settled = (attemptId: Id.AttemptId) =>
    Effect.catch(intents.close(attemptId), (error) =>
      Effect.logWarning("An intent could not be closed", error)
    )

  /** Binds an agent to its sandbox, unless somebody has given up its launch in the meantime. */
  const bind = Effect.fnUntraced(function* (id: Id.AgentId, binding: Agent.Binding) {
    const agent = yield* store.getAgent(id)
    const { status } = agent
    if (status === "launching") {
      return yield* store.updateAgent(new Agent.Agent({ ...agent, status, binding }))
    }
    return yield* new StateStoreError.StateStoreError({
      operation: "bind",
      reason: new StateStoreError.IllegalMove({ id, from: status, to: "launching" })
    })
  }, Effect.retry(AgentStore.startOver))

  const furnish = Effect.fnUntraced(function* (
    id: Id.AgentId,
    attemptId: Id.AttemptId,
    sandbox: Sandbox.Sandbox,
    profile: Profile.Profile,
    life: Duration.Duration | undefined,
    { hidden, kept, masked, onStage, repository, since }: Furnishing
  ) {
    const place = yield* at("assets", onStage)(runtime.place(sandbox, profile))
    const binding = new Agent.Binding({
      sandboxId: sandbox.id,
      provider: sandboxes.provider,
      home: place.home
    })
    yield* at("bind", onStage)(bind(id, binding))
    if (kept === undefined) yield* at("setup", onStage)(runtime.setUp(place))
    yield* at("health", onStage)(runtime.checkHealth(place))
    // Before the repository is there: what is kept is the same for every agent of the profile.
    yield* kept === undefined ? setUps.store(place, hidden) : setUps.touch(kept)
    const cloned =
      repository === undefined
        ? undefined
        : yield* AgentRepository.required("launch", git, repository).pipe(
            Effect.flatMap((there) =>
              at("repository", onStage)(AgentRepository.clone(there, place, repository))
            )
          )
    // The store refuses this when the agent was terminated in the meantime.
    const agent = yield* at(
      "activate",
      onStage
    )(
      change(
        id,
        (was) =>
          new Agent.Agent({
            ...was,
            status: "active",
            ...(cloned === undefined ? {} : { repository: cloned }),
            ...(Object.keys(masked).length === 0 ? {} : { secretVariables: Object.keys(masked) })
          })
      )
    )
    yield* settled(attemptId)
    places.register(id, place, life, since, Object.values(masked))
    return agent
  })

  const launchAs = Effect.fn("Orchestrator.launch")(function* <R>(
    id: Id.AgentId,
    spec: LaunchSpec & { readonly onExpiry: "kill" | "pause" },
    hold: (sandboxId: Id.SandboxId) => Effect.Effect<boolean, never, R>,
    enter: (profile: Profile.Profile) => Effect.Effect<unknown, StateStoreError.StateStoreError>
  ) {
    const profile = yield* profiles.get(spec.profile ?? config.REMOTE_AGENT_PROFILE)
    yield* Effect.annotateCurrentSpan({ agentId: id, profile: profile.name })
    if (sandboxes.isolation === "missing" && !profile.trusted) {
      return yield* AgentStore.failure(
        "launch",
        new OrchestratorError.IsolationRequired({ profile: profile.name })
      )
    }
    const ttl = yield* at("create")(lifeOf(spec.ttl ?? config.E2B_DEFAULT_TIMEOUT))
    const { env, masked, secrets } = yield* profiles.prepare(profile, spec.env)
    const found = yield* setUps.lookup(profile)
    // Sandboxes elsewhere have a network of their own, and one that starts from a kept set-up needs none for it.
    if (sandboxes.provider === "local" && Option.isNone(found) && spec.allowInternetAccess !== false) {
      yield* profiles.reachable(profile, { ...env, ...spec.env })
    }
    const { onStage, repository } = spec
    const hidden = [...secrets, ...Object.values(spec.env ?? {})]
    const tried = (
      restore: <A, E, R1>(effect: Effect.Effect<A, E, R1>) => Effect.Effect<A, E, R1>,
      kept: Entry | undefined
    ) =>
      Effect.gen(function* () {
        const attemptId = yield* Id.nextAttemptId
        yield* at("intent", onStage)(intend(id, attemptId))
        const since = yield* Clock.currentTimeMillis
        const create = sandboxes
          .launch({
            ttl,
            template: kept?.template,
            onExpiry: spec.onExpiry,
            attemptId,
            metadata: {
              [SandboxLabels.ownerKey]: config.REMOTE_AGENT_OWNER,
              [SandboxLabels.agentKey]: id,
              [SandboxLabels.profileKey]: profile.name
            },
            env: { ...env, ...spec.env },
            allowInternetAccess: spec.allowInternetAccess
          })
          .pipe(
            Effect.tapError((error) =>
              SandboxError.retryClass(error) === "ambiguous" ? Effect.void : settled(attemptId)
            ),
            at("create", onStage)
          )
        return yield* create.pipe(
          Effect.flatMap((sandbox) =>
            restore(
              Effect.flatMap(hold(sandbox.id), (held) => {
                const furnished = furnish(id, attemptId, sandbox, profile, held ? undefined : ttl, {
                  kept,
                  hidden,
                  masked,
                  onStage,
                  repository,
                  since
                })
                // Whoever holds it keeps it alive too; else a set-up may take longer than the life it was asked for.
                const alive = Effect.andThen(KeepAlive.keep(sandboxes, sandbox.id, ttl), Effect.never)
                return held ? furnished : Effect.raceFirst(furnished, alive)
              })
            ).pipe(Effect.onError(() => discard(id, attemptId, sandbox.id)))
          ),
          LaunchIntents.heartbeat(intents, attemptId)
        )
      })
    const attempt = Effect.uninterruptibleMask((restore) =>
      at(
        "record",
        spec.onStage
      )(enter(profile)).pipe(
        Effect.andThen(
          setUps
            .withFallback(found, (kept) => tried(restore, kept))
            .pipe(Effect.onError((cause) => giveUp(id, cause)))
        )
      )
    )
    return yield* breaker.guard(attempt)
  })

  const discard = (id: Id.AgentId, attemptId: Id.AttemptId, sandboxId: Id.SandboxId) =>
    sandboxes.terminate(sandboxId).pipe(
      Effect.andThen(settled(attemptId)),
      Effect.andThen(unbind(id)),
      Effect.catch((error) =>
        Effect.logError("A launch failed, and its sandbox may still be running", error)
      ),
      Effect.annotateLogs({ sandboxId })
    )

  const giveUp = Effect.fnUntraced(
    function* (id: Id.AgentId, cause: Cause.Cause<OrchestratorError.OrchestratorError>) {
      const { status } = yield* store.getAgent(id)
      const detail = Option.match(Cause.findErrorOption(cause), {
        onNone: () => "The launch was stopped.",
        onSome: (error) => error.message
      })
      // A launch that is stopped in its last step may have made the agent active already.
      yield* move(id, status === "active" ? "broke" : "launchFailed", detail)
    },
    Effect.catch((error) => Effect.logError("The end of a failed launch could not be recorded", error))
  )

  const terminate = Effect.fn("Orchestrator.terminate")(function* (id: Id.AgentId) {
    const agent = yield* Effect.mapError(store.getAgent(id), AgentStore.fromStore("terminate"))
    const binding = yield* AgentStore.bindingOf("terminate", agent, sandboxes.provider)
    if (binding !== undefined) {
      // Before it is gone: whoever works with it must not take it for lost. What cannot be noted is ended all the same.
      if (AgentLifecycle.mayHoldSandbox(agent.status)) {
        const now = yield* DateTime.now
        yield* Effect.catch(
          change(id, (was) => new Agent.Agent({ ...was, endRequestedAt: was.endRequestedAt ?? now })),
          (error) => Effect.logWarning("The end of an agent could not be announced", error)
        )
      }
      yield* Effect.mapError(sandboxes.terminate(binding.sandboxId), AgentStore.fromSandbox("terminate"))
    }
    places.forget(id)
    return yield* Effect.mapError(move(id, "terminated"), AgentStore.fromStore("terminate"))
  })

  /** What was asked for, with its repository as it is recorded. Nothing has been created when it fails. */
  const checked = Effect.fnUntraced(function* (asked: LaunchSpec) {
    if (asked.repository === undefined) return asked
    const { server } = yield* AgentRepository.required("launch", git, asked.repository)
    return {
      ...asked,
      repository: yield* at("repository")(AgentRepository.canonical(server, asked.repository))
    }
  })

  const launch = Effect.fnUntraced(function* (wanted: LaunchSpec) {
    const asked = yield* checked(wanted)
    const id = yield* Id.nextAgentId
    const persistent = asked.persistent ?? config.E2B_AUTO_PAUSE
    const spec = { ...asked, persistent, onExpiry: onExpiry(persistent) }
    return yield* launchAs(
      id,
      spec,
      () => Effect.succeed(false),
      (profile) => record(id, spec, profile)
    )
  })

  const replace = Effect.fn("Orchestrator.replace")(function* (id: Id.AgentId, { env }: ReplaceOptions = {}) {
    const agent = yield* Effect.mapError(store.getAgent(id), AgentStore.fromStore("replace"))
    const { persistent, profile, status } = agent
    if (Result.isFailure(AgentLifecycle.transition(status, "replaced"))) {
      return yield* AgentStore.failure("replace", new OrchestratorError.AgentNotReady({ id, status }))
    }
    if (agent.repository !== undefined) {
      yield* AgentRepository.required("replace", git, agent.repository)
    }
    // A launch that failed may have left a sandbox that could not be ended.
    const before = yield* AgentStore.bindingOf("replace", agent, sandboxes.provider)
    if (before !== undefined) {
      yield* Effect.mapError(sandboxes.terminate(before.sandboxId), AgentStore.fromSandbox("replace"))
      yield* Effect.mapError(unbind(id), AgentStore.fromStore("replace"))
    }
    places.forget(id)
    const { allowInternetAccess, repository, ttl } = agent
    const spec = { profile, ttl, env, allowInternetAccess, repository, onExpiry: onExpiry(persistent) }
    return yield* launchAs(
      id,
      spec,
      () => Effect.succeed(false),
      () => move(id, "replaced")
    )
  })

  /** Ends what there is to end. An agent that failed or was lost stays so: its record says why. */
  const release = (id: Id.AgentId) =>
    Effect.mapError(store.getAgent(id), AgentStore.fromStore("terminate")).pipe(
      Effect.flatMap(({ binding, status }) =>
        binding === undefined && !AgentLifecycle.mayHoldSandbox(status) ? Effect.void : terminate(id)
      ),
      Effect.catchReason("OrchestratorError", "AgentNotFound", () => Effect.void),
      Effect.catch((error) => Effect.logError("An agent's sandbox may still be running", error))
    )

  // Registered before there is anything to end, so that there is no moment in which an interruption finds an agent
  // without somebody to end it; and the set-up, which may take minutes, can be interrupted all the same.
  const launchScoped = Effect.fnUntraced(function* (asked: LaunchSpec) {
    const spec = yield* checked(asked)
    const id = yield* Effect.acquireRelease(Id.nextAgentId, release)
    const ttl = Duration.fromInputUnsafe(spec.ttl ?? Duration.min(shortLife, config.E2B_MAX_TIMEOUT))
    return yield* launchAs(
      id,
      { ...spec, ttl, onExpiry: "kill" },
      (sandboxId) => Effect.as(Effect.forkScoped(KeepAlive.keep(sandboxes, sandboxId, ttl)), true),
      (profile) => record(id, spec, profile)
    )
  })

  return {
    launch,
    launchScoped,
    replace,
    terminate,
    get: Effect.fn("Orchestrator.get")((id: Id.AgentId) =>
      Effect.mapError(store.getAgent(id), AgentStore.fromStore("get"))
    ),
    list: (filter) => Stream.mapError(store.listAgents(filter), AgentStore.fromStore("list"))
  }
})
