import {
  Agent,
  RemoteAgentConfig,
  type Id,
  OrchestratorError,
  ProfileEnvironment,
  type SandboxError
} from "@remote-agent/domain"
import { type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Clock, Duration, Effect, type Redacted, type Scope } from "effect"
import type { AgentSandbox } from "../runtime/AgentRuntime.ts"
import { Profiles } from "../profiles/Profiles.ts"
import * as AgentStore from "../state/AgentStore.ts"
import * as SandboxSecrets from "../runtime/SandboxSecrets.ts"
import { StateStore } from "../state/StateStore.ts"

/** The agents that take queries. */
const ready: ReadonlySet<Agent.Agent["status"]> = new Set(["active", "paused"])

/** The agents whose sandbox can be looked into: also one whose launch failed and kept it. */
const reachable: ReadonlySet<Agent.Agent["status"]> = new Set([...ready, "failed"])

/** How an agent's place is asked for. */
export interface AgentSandboxOptions {
  /** False for an agent that must not be woken when it sleeps: then it fails with `AgentPaused`. */
  readonly resume?: boolean | undefined
}

/** Finds the sandboxes that agents live in, and keeps them alive while they are used. */
export interface AgentSandboxes {
  /**
   * Where an agent lives, connecting to its sandbox when this process has no handle on it yet, which wakes one that
   * sleeps. Fails with `AgentNotReady` when it is neither active nor paused and with `AgentLost` when it is gone.
   */
  readonly of: (
    operation: string,
    id: Id.AgentId,
    options?: AgentSandboxOptions
  ) => Effect.Effect<AgentSandbox, OrchestratorError.OrchestratorError>
  /**
   * Connects to the sandbox of an agent and keeps it alive until the scope closes. Fails like `of`.
   */
  readonly open: (
    operation: string,
    id: Id.AgentId,
    options?: AgentSandboxOptions
  ) => Effect.Effect<Sandbox.Sandbox, OrchestratorError.OrchestratorError, Scope.Scope>
  /**
   * Runs work in the sandbox of an agent, which is kept alive until the work is done. Fails like `of`, and with
   * `AgentLost` or `SandboxFailed` when the sandbox fails.
   */
  readonly use: <A>(
    operation: string,
    id: Id.AgentId,
    work: (sandbox: Sandbox.Sandbox) => Effect.Effect<A, SandboxError.SandboxError>,
    options?: AgentSandboxOptions
  ) => Effect.Effect<A, OrchestratorError.OrchestratorError>
  /**
   * Remembers where an agent lives. `life` is how long, counted from `since` (milliseconds since 1970, before its
   * sandbox was asked for: a set-up may take most of it), unless somebody else keeps its sandbox alive. `secrets` is
   * what is to be struck out of what it prints.
   */
  readonly register: (
    id: Id.AgentId,
    place: AgentSandbox,
    life: Duration.Duration | undefined,
    since: number,
    secrets?: ReadonlyArray<Redacted.Redacted>
  ) => void
  /**
   * What is to be struck out of what an agent prints: the values that the variables of its sandbox have there, which
   * may be others than those that are set here. Asks the sandbox once per place. Fails when it cannot be asked now.
   */
  readonly secrets: (
    agent: Agent.Agent,
    place: AgentSandbox
  ) => Effect.Effect<ReadonlyArray<Redacted.Redacted>, SandboxError.SandboxError>
  readonly forget: (id: Id.AgentId) => void
  /** Extends the life of an agent's sandbox for as long as it is run. */
  readonly keepAlive: (id: Id.AgentId) => Effect.Effect<void>
  /** Fails with `TimeoutTooLong` when no sandbox may be asked to live as long as a command may take. */
  readonly checkTimeout: (
    operation: string,
    wall: Duration.Duration
  ) => Effect.Effect<void, OrchestratorError.OrchestratorError>
  /** Has an agent's sandbox live longer than a command that is permitted and about to start. */
  readonly extendFor: (
    id: Id.AgentId,
    wall: Duration.Duration
  ) => Effect.Effect<void, SandboxError.SandboxError>
  /**
   * What a sandbox's failure means for the agent in it: what is confirmed gone is lost, and nothing else is. Fails with
   * `AgentNotReady` when somebody ended the agent on purpose.
   */
  readonly classifyFailure: (
    operation: string,
    id: Id.AgentId
  ) => (cause: SandboxError.SandboxError) => Effect.Effect<never, OrchestratorError.OrchestratorError>
}

interface Known {
  readonly place: AgentSandbox
  /** How long the sandbox is made to live each time; nothing when somebody else sees to that. */
  readonly life: Duration.Duration | undefined
  /** When it will end, in milliseconds since 1970. */
  until: number
}

/** Failures of one command or one file, which say nothing of the sandbox. */
const commandFailures: ReadonlySet<SandboxError.Reason["_tag"]> = new Set([
  "FileNotFound",
  "IdleTimedOut",
  "WallTimedOut",
  "OutputTooLarge",
  "InvalidRequest",
  "Unsupported"
])

/** How much longer than a command its sandbox is to live, where that is allowed. */
const margin = Duration.minutes(1)

/** The places of the agents that this process works with. */
export const make: Effect.Effect<
  AgentSandboxes,
  never,
  AgentStore.AgentStore | RemoteAgentConfig.RemoteAgentConfig | Profiles | Sandboxes.Sandboxes | StateStore
> = Effect.gen(function* () {
  const [config, profiles, sandboxes, store] = yield* Effect.all([
    RemoteAgentConfig.RemoteAgentConfig,
    Profiles,
    Sandboxes.Sandboxes,
    StateStore
  ])
  const { move } = yield* AgentStore.AgentStore
  const places = new Map<Id.AgentId, Known>()
  const secretsThere = new WeakMap<AgentSandbox, ReadonlyArray<Redacted.Redacted>>()

  const register: AgentSandboxes["register"] = (id, place, life, since, values) => {
    if (values !== undefined) secretsThere.set(place, values)
    places.set(id, { place, life, until: since + (life === undefined ? 0 : Duration.toMillis(life)) })
  }

  const secrets: AgentSandboxes["secrets"] = Effect.fnUntraced(function* ({ secretVariables = [] }, place) {
    const names = new Set([...ProfileEnvironment.secretNames(place.profile), ...secretVariables])
    const values = secretsThere.get(place) ?? (yield* SandboxSecrets.read(place.sandbox, [...names]))
    secretsThere.set(place, values)
    return values
  })

  const lost = Effect.fnUntraced(function* (operation: string, id: Id.AgentId) {
    const detail = "Its sandbox no longer exists."
    const { status } = yield* Effect.mapError(
      move(id, "sandboxGone", detail),
      AgentStore.fromStore(operation)
    )
    if (status === "terminated") {
      return yield* AgentStore.failure(operation, new OrchestratorError.AgentNotReady({ id, status }))
    }
    return yield* AgentStore.failure(operation, new OrchestratorError.AgentLost({ id }))
  })

  const classifyFailure: AgentSandboxes["classifyFailure"] = (operation, id) => (cause) =>
    Effect.suspend(() => {
      const { _tag } = cause.reason
      // The next caller connects again, which also resumes a sandbox that was paused elsewhere. The sandbox of a
      // command that failed by itself is still there, and others may be using it.
      if (!commandFailures.has(_tag)) places.delete(id)
      return _tag === "Gone" || _tag === "Expired"
        ? lost(operation, id)
        : Effect.fail(AgentStore.fromSandbox(operation)(cause))
    })

  const asleep = (operation: string, agent: Agent.Agent) =>
    agent.status === "paused" || agent.binding === undefined
      ? Effect.succeed(agent.status === "paused")
      : sandboxes.info(agent.binding.sandboxId).pipe(
          Effect.map(({ state }) => state === "paused"),
          Effect.catch(classifyFailure(operation, agent.id))
        )

  const connect = Effect.fnUntraced(function* (operation: string, agent: Agent.Agent) {
    const { binding, id } = agent
    if (binding === undefined) return yield* lost(operation, id)
    const profile = yield* profiles.get(agent.profile)
    const life = agent.ttl ?? config.E2B_DEFAULT_TIMEOUT
    const since = yield* Clock.currentTimeMillis
    const { sandbox } = yield* sandboxes
      .connect(binding.sandboxId, life)
      .pipe(Effect.catch(classifyFailure(operation, id)))
    if (agent.status === "paused") {
      yield* Effect.mapError(move(id, "resumed"), AgentStore.fromStore(operation))
    }
    const place: AgentSandbox = { sandbox, profile, home: binding.home }
    register(id, place, life, since)
    return place
  })

  const of = Effect.fnUntraced(function* (
    operation: string,
    id: Id.AgentId,
    options: AgentSandboxOptions = {},
    usable: ReadonlySet<Agent.Agent["status"]> = ready
  ) {
    const agent = yield* Effect.mapError(store.getAgent(id), AgentStore.fromStore(operation))
    const { status } = agent
    yield* AgentStore.bindingOf(operation, agent, sandboxes.provider)
    if (!usable.has(status) || (status === "failed" && agent.binding === undefined)) {
      return yield* AgentStore.failure(operation, new OrchestratorError.AgentNotReady({ id, status }))
    }
    if (options.resume === false && (yield* asleep(operation, agent))) {
      return yield* AgentStore.failure(operation, new OrchestratorError.AgentPaused({ id }))
    }
    const known = places.get(id)
    const now = yield* Clock.currentTimeMillis
    // Another process may have put it to sleep, or given it another sandbox; and so may have the end of its life.
    const isCurrent =
      status === "active" &&
      known?.place.sandbox.id === agent.binding?.sandboxId &&
      (known?.life === undefined || now < known.until)
    return known !== undefined && isCurrent ? known.place : yield* connect(operation, agent)
  })

  const extend = Effect.fnUntraced(function* (known: Known, life: Duration.Duration) {
    yield* sandboxes.extend(known.place.sandbox.id, life)
    known.until = (yield* Clock.currentTimeMillis) + Duration.toMillis(life)
  })

  const keepAlive = Effect.fnUntraced(function* (id: Id.AgentId) {
    for (;;) {
      const known = places.get(id)
      if (known?.life === undefined) return
      const { life } = known
      const third = Duration.toMillis(life) / 3
      const left = known.until - (yield* Clock.currentTimeMillis)
      yield* Effect.sleep(Math.max(0, left - 2 * third))
      yield* Effect.catch(extend(known, life), (error) =>
        Effect.andThen(
          Effect.logWarning("The ttl of a sandbox could not be extended", error),
          // Often enough that one of them succeeds before the life ends.
          Effect.sleep(third / 4)
        )
      )
    }
  })

  const checkTimeout: AgentSandboxes["checkTimeout"] = (operation, asked) => {
    const longest = config.E2B_MAX_TIMEOUT
    return Duration.isGreaterThan(asked, longest)
      ? Effect.fail(AgentStore.failure(operation, new OrchestratorError.TimeoutTooLong({ asked, longest })))
      : Effect.void
  }

  const extendFor = Effect.fnUntraced(function* (id: Id.AgentId, wall: Duration.Duration) {
    const known = places.get(id)
    const life = Duration.min(Duration.sum(wall, margin), config.E2B_MAX_TIMEOUT)
    const now = yield* Clock.currentTimeMillis
    if (known?.life === undefined || known.until - now >= Duration.toMillis(life)) return
    yield* extend(known, life)
  })

  const open: AgentSandboxes["open"] = Effect.fnUntraced(function* (operation, id, options) {
    const { sandbox } = yield* of(operation, id, options, reachable)
    yield* Effect.forkScoped(keepAlive(id))
    return sandbox
  })

  const use: AgentSandboxes["use"] = (operation, id, work, options) =>
    Effect.flatMap(open(operation, id, options), (sandbox) =>
      Effect.catch(work(sandbox), classifyFailure(operation, id))
    ).pipe(Effect.scoped)

  return {
    of,
    open,
    use,
    register,
    secrets,
    forget: (id) => void places.delete(id),
    keepAlive,
    checkTimeout,
    extendFor,
    classifyFailure
  }
})
