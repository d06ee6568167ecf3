import {
  Agent,
  Config,
  Id,
  Intent,
  Lifecycle,
  OrchestratorError,
  type Profile,
  Retry,
  SandboxError,
  Stamp,
  StateStoreError
} from "@remote-agent/domain"
import { type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import {
  Cause,
  DateTime,
  Duration,
  Effect,
  Option,
  type Redacted,
  Result,
  Schema,
  type Scope,
  Stream
} from "effect"
import { AgentRuntime, type Place } from "./AgentRuntime.ts"
import { Intents } from "./Intents.ts"
import * as LaunchBreaker from "./LaunchBreaker.ts"
import * as Lease from "./Lease.ts"
import { Profiles } from "./Profiles.ts"
import { StateStore } from "./StateStore.ts"

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
  /** The environment of its sandbox; the place for keys. */
  readonly env?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  readonly allowInternetAccess?: boolean | undefined
}

const orchestratorError = (operation: string, reason: OrchestratorError.Reason) =>
  new OrchestratorError.OrchestratorError({ operation, reason })

/** Names the operation in which a store failed, and says which agent there is none of. */
export const fromStore =
  (operation: string) =>
  (cause: StateStoreError.StateStoreError): OrchestratorError.OrchestratorError => {
    const { reason } = cause
    if (reason._tag === "NotFound" && isAgentId(reason.id)) {
      return orchestratorError(operation, new OrchestratorError.AgentNotFound({ id: reason.id }))
    }
    if (reason._tag === "NotFound" && isQueryId(reason.id)) {
      return orchestratorError(operation, new OrchestratorError.QueryNotFound({ id: reason.id }))
    }
    return orchestratorError(operation, new OrchestratorError.StoreFailed({ cause }))
  }

const isAgentId = Schema.is(Id.AgentId)
const isQueryId = Schema.is(Id.QueryId)

/** Names the operation in which a sandbox failed. */
export const fromSandbox = (operation: string) => (cause: SandboxError.SandboxError) =>
  orchestratorError(operation, new OrchestratorError.SandboxFailed({ cause }))

const at =
  (stage: OrchestratorError.LaunchStage) =>
  <A, R>(effect: Effect.Effect<A, OrchestratorError.LaunchFailed["cause"], R>) =>
    Effect.mapError(effect, (cause) =>
      orchestratorError("launch", new OrchestratorError.LaunchFailed({ stage, cause }))
    ).pipe(Effect.withSpan(`Orchestrator.launch.${stage}`))

/** Launches and ends agents, and finds the sandboxes that they live in. */
export interface Agents {
  readonly launch: (spec: LaunchSpec) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>
  readonly launchScoped: (
    spec: LaunchSpec
  ) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError, Scope.Scope>
  readonly terminate: (id: Id.AgentId) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>
  readonly info: (id: Id.AgentId) => Effect.Effect<Agent.Agent, OrchestratorError.OrchestratorError>
  readonly list: Stream.Stream<Agent.Agent, OrchestratorError.OrchestratorError>
  /** Where an active agent lives, connecting to its sandbox when this process has no handle on it yet. */
  readonly placeOf: (
    operation: string,
    id: Id.AgentId
  ) => Effect.Effect<Place, OrchestratorError.OrchestratorError>
  /** What a sandbox's failure means for the agent in it: what is confirmed gone is lost, and nothing else is. */
  readonly blame: (
    operation: string,
    id: Id.AgentId
  ) => (cause: SandboxError.SandboxError) => Effect.Effect<never, OrchestratorError.OrchestratorError>
  /** Records that one more query was put to it. */
  readonly counted: (id: Id.AgentId) => Effect.Effect<void, OrchestratorError.OrchestratorError>
}

/** When somebody else wrote a record in between: read it again and decide anew. */
const startOver = { times: 10, while: (error: StateStoreError.StateStoreError) => error.isRetryable }

/** The records of agents, and the sandboxes that they are bound to. */
export const make: Effect.Effect<
  Agents,
  never,
  Config.Config | Profiles | AgentRuntime | Sandboxes.Sandboxes | StateStore | Intents | Scope.Scope
> = Effect.gen(function* () {
  const [config, profiles, runtime, sandboxes, store, intents] = yield* Effect.all([
    Config.Config,
    Profiles,
    AgentRuntime,
    Sandboxes.Sandboxes,
    StateStore,
    Intents
  ])
  const breaker = yield* LaunchBreaker.make(sandboxes.provider)
  const places = new Map<Id.AgentId, Place>()

  /** Reads, changes and writes a record; starts over when somebody else wrote it in between. */
  const change = Effect.fnUntraced(function* (id: Id.AgentId, next: (agent: Agent.Agent) => Agent.Agent) {
    return yield* store.updateAgent(next(yield* store.getAgent(id)))
  }, Effect.retry(startOver))

  const move = Effect.fnUntraced(function* (
    id: Id.AgentId,
    event: Lifecycle.LifecycleEvent,
    detail?: string
  ) {
    return yield* change(id, (agent) => {
      const next = Lifecycle.transition(agent.status, event)
      // Whoever ended it in the meantime has the last word.
      if (Result.isFailure(next)) return agent
      const status = next.success
      const { binding, detail: _, ...rest } = agent
      return new Agent.Agent({
        ...rest,
        status,
        ...(binding === undefined || status === "terminated" || status === "lost" ? {} : { binding }),
        ...(detail === undefined ? {} : { detail })
      })
    })
  })

  const unbind = (id: Id.AgentId) =>
    change(id, (agent) => {
      const { binding: _, ...rest } = agent
      return new Agent.Agent(rest)
    })

  const record = Effect.fnUntraced(function* (id: Id.AgentId, spec: LaunchSpec, profile: Profile.Profile) {
    const now = yield* DateTime.now
    yield* store.createAgent(
      new Agent.Agent({
        id,
        name: spec.name ?? Agent.AgentName.make(`${profile.name}-${id.slice(-6)}`),
        profile: profile.name,
        status: "launching",
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
      new Intent.Intent({ attemptId, agentId: id, owner: config.REMOTE_AGENT_OWNER, provider, at: now })
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
  }, Effect.retry(startOver))

  const furnish = Effect.fnUntraced(function* (
    id: Id.AgentId,
    attemptId: Id.AttemptId,
    sandbox: Sandbox.Sandbox,
    profile: Profile.Profile
  ) {
    const place = yield* at("assets")(runtime.place(sandbox, profile))
    const binding = new Agent.Binding({
      sandboxId: sandbox.id,
      provider: sandboxes.provider,
      home: place.home
    })
    yield* at("bind")(bind(id, binding))
    yield* settled(attemptId)
    yield* at("setup")(runtime.setUp(place))
    yield* at("health")(runtime.checkHealth(place))
    // The store refuses this when the agent was terminated in the meantime.
    const agent = yield* at("activate")(change(id, (was) => new Agent.Agent({ ...was, status: "active" })))
    places.set(id, place)
    return agent
  })

  const launchAs = Effect.fn("Orchestrator.launch")(function* <R>(
    id: Id.AgentId,
    spec: LaunchSpec & { readonly onExpiry: "kill" | "pause" },
    hold: (sandboxId: Id.SandboxId) => Effect.Effect<unknown, never, R>
  ) {
    const profile = yield* profiles.get(spec.profile ?? config.REMOTE_AGENT_PROFILE)
    yield* Effect.annotateCurrentSpan({ agentId: id, profile: profile.name })
    if (sandboxes.isolation === "missing" && !profile.trusted) {
      return yield* orchestratorError(
        "launch",
        new OrchestratorError.IsolationRequired({ profile: profile.name })
      )
    }
    const ttl = yield* at("create")(lifeOf(spec.ttl ?? config.E2B_DEFAULT_TIMEOUT))
    const attemptId = yield* Id.nextAttemptId
    const create = sandboxes
      .launch({
        ttl,
        onExpiry: spec.onExpiry,
        attemptId,
        metadata: {
          [Stamp.ownerKey]: config.REMOTE_AGENT_OWNER,
          [Stamp.agentKey]: id,
          [Stamp.profileKey]: profile.name
        },
        env: spec.env,
        allowInternetAccess: spec.allowInternetAccess
      })
      .pipe(
        Effect.tapError((error) =>
          Retry.retryClass(error) === "ambiguous" ? Effect.void : settled(attemptId)
        ),
        at("create")
      )
    const attempt = Effect.uninterruptibleMask((restore) =>
      at("record")(record(id, spec, profile)).pipe(
        Effect.andThen(
          at("intent")(intend(id, attemptId)).pipe(
            Effect.andThen(create),
            Effect.flatMap((sandbox) =>
              restore(Effect.andThen(hold(sandbox.id), furnish(id, attemptId, sandbox, profile))).pipe(
                Effect.onError(() => discard(id, attemptId, sandbox.id))
              )
            ),
            Effect.onError((cause) => giveUp(id, cause))
          )
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
    const { binding } = yield* Effect.mapError(store.getAgent(id), fromStore("terminate"))
    if (binding !== undefined) {
      yield* Effect.mapError(sandboxes.terminate(binding.sandboxId), fromSandbox("terminate"))
    }
    places.delete(id)
    return yield* Effect.mapError(move(id, "terminated"), fromStore("terminate"))
  })

  const launch = Effect.fnUntraced(function* (spec: LaunchSpec) {
    const onExpiry = config.E2B_AUTO_PAUSE ? "pause" : "kill"
    return yield* launchAs(yield* Id.nextAgentId, { ...spec, onExpiry }, () => Effect.void)
  })

  /** Ends what there is to end. An agent that failed or was lost stays so: its record says why. */
  const release = (id: Id.AgentId) =>
    Effect.mapError(store.getAgent(id), fromStore("terminate")).pipe(
      Effect.flatMap(({ binding, status }) =>
        binding === undefined && !Lifecycle.mayHoldSandbox(status) ? Effect.void : terminate(id)
      ),
      Effect.catchReason("OrchestratorError", "AgentNotFound", () => Effect.void),
      Effect.catch((error) => Effect.logError("An agent's sandbox may still be running", error))
    )

  // Registered before there is anything to end, so that there is no moment in which an interruption finds an agent
  // without somebody to end it; and the set-up, which may take minutes, can be interrupted all the same.
  const launchScoped = Effect.fnUntraced(function* (spec: LaunchSpec) {
    const id = yield* Effect.acquireRelease(Id.nextAgentId, release)
    const ttl = Duration.fromInputUnsafe(spec.ttl ?? Duration.min(Lease.shortLife, config.E2B_MAX_TIMEOUT))
    return yield* launchAs(id, { ...spec, ttl, onExpiry: "kill" }, (sandboxId) =>
      Effect.forkScoped(Lease.keep(sandboxes, sandboxId, ttl))
    )
  })

  const lost = Effect.fnUntraced(function* (operation: string, id: Id.AgentId) {
    yield* Effect.mapError(move(id, "sandboxGone", "Its sandbox no longer exists."), fromStore(operation))
    return yield* orchestratorError(operation, new OrchestratorError.AgentLost({ id }))
  })

  const blame =
    (operation: string, id: Id.AgentId) =>
    (cause: SandboxError.SandboxError): Effect.Effect<never, OrchestratorError.OrchestratorError> =>
      Effect.suspend(() => {
        // The next query connects anew, which also wakes a sandbox that was put to sleep elsewhere.
        places.delete(id)
        return cause.reason._tag === "Gone" || cause.reason._tag === "Expired"
          ? lost(operation, id)
          : Effect.fail(fromSandbox(operation)(cause))
      })

  const ready = Effect.fnUntraced(function* (operation: string, id: Id.AgentId) {
    const agent = yield* Effect.mapError(store.getAgent(id), fromStore(operation))
    return agent.status === "active"
      ? agent
      : yield* orchestratorError(operation, new OrchestratorError.AgentNotReady({ id, status: agent.status }))
  })

  const placeOf = Effect.fnUntraced(function* (operation: string, id: Id.AgentId) {
    const agent = yield* ready(operation, id)
    const known = places.get(id)
    if (known !== undefined || agent.binding === undefined) {
      return known ?? (yield* lost(operation, id))
    }
    const profile = yield* profiles.get(agent.profile)
    const { home, sandboxId } = agent.binding
    const { sandbox } = yield* sandboxes
      .connect(sandboxId, config.E2B_DEFAULT_TIMEOUT)
      .pipe(Effect.catch(blame(operation, id)))
    const place: Place = { sandbox, profile, home }
    places.set(id, place)
    return place
  })

  const counted = Effect.fnUntraced(function* (id: Id.AgentId) {
    const now = yield* DateTime.now
    yield* Effect.mapError(
      change(
        id,
        (agent) => new Agent.Agent({ ...agent, queryCount: agent.queryCount + 1, lastQueryAt: now })
      ),
      fromStore("query")
    )
  })

  return {
    launch,
    launchScoped,
    terminate,
    placeOf,
    blame,
    counted,
    info: Effect.fn("Orchestrator.info")((id: Id.AgentId) =>
      Effect.mapError(store.getAgent(id), fromStore("info"))
    ),
    list: Stream.mapError(store.listAgents(), fromStore("list"))
  }
})
