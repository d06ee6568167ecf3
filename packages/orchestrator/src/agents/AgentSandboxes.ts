import {
  Agent,
  RemoteAgentConfig,
  type Id,
  OrchestratorError,
  ProfileEnvironment,
  type SandboxError
} from "@remote-agent/domain"
import { KeepAlive, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Clock, Duration, Effect, RcMap, type Redacted, Schedule, type Scope } from "effect"
import { Profiles } from "../profiles/Profiles.ts"
import * as SandboxSecrets from "../runtime/SandboxSecrets.ts"
import type { AgentSandbox } from "../runtime/setup/SetUp.ts"
import * as AgentStore from "../state/AgentStore.ts"
import { StateStore } from "../state/StateStore.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * How the sandbox of an agent is reached.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentSandboxOptions {
  /** `false` for a paused agent that must stay paused; the call fails with `AgentPaused` then. */
  readonly resume?: boolean | undefined
}

/** Connects to the sandboxes of agents, and keeps them alive while they are used. */
export interface AgentSandboxes {
  /**
   * The sandbox of an agent. Connects to it when this process has no handle on it, which resumes a paused one. Fails
   * with `AgentNotReady` when the agent is neither active nor paused, and with `AgentLost` when its sandbox is gone.
   */
  readonly of: (
    operation: string,
    id: Id.AgentId,
    options?: AgentSandboxOptions
  ) => Effect.Effect<AgentSandbox, Failure>
  /** Connects to the sandbox of an agent and keeps it alive until the scope closes. Fails like `of`. */
  readonly open: (
    operation: string,
    id: Id.AgentId,
    options?: AgentSandboxOptions
  ) => Effect.Effect<Sandbox.Sandbox, Failure, Scope.Scope>
  /**
   * Runs work in the sandbox of an agent, which is kept alive until the work is done. Fails like `of`, and with
   * `AgentLost` or `SandboxFailed` when the sandbox fails.
   */
  readonly use: <A>(
    operation: string,
    id: Id.AgentId,
    work: (sandbox: Sandbox.Sandbox) => Effect.Effect<A, SandboxError.SandboxError>,
    options?: AgentSandboxOptions
  ) => Effect.Effect<A, Failure>
  /**
   * Registers the sandbox of an agent. `ttl` counts from `since`, in milliseconds since 1970, when the sandbox was
   * asked for: a setup may take most of it. Without a `ttl` the caller keeps the sandbox alive. `secrets` is redacted
   * from what the agent prints.
   */
  readonly register: (
    id: Id.AgentId,
    place: AgentSandbox,
    ttl: Duration.Duration | undefined,
    since: number,
    secrets?: ReadonlyArray<Redacted.Redacted>
  ) => void
  /**
   * The secrets of an agent: the values of secret variables in its sandbox, which may differ from those that are set
   * here. Reads them from the sandbox once. Fails when that is not possible now.
   */
  readonly secrets: (
    agent: Agent.Agent,
    place: AgentSandbox
  ) => Effect.Effect<ReadonlyArray<Redacted.Redacted>, SandboxError.SandboxError>
  /** Whether all processes that a sandbox shows are its own. */
  readonly isolated: boolean
  /**
   * Ends all that runs in the sandbox of an agent, where nothing inside does it: pauses the sandbox of a persistent
   * agent, which keeps its files, and terminates any other. Tells which. The caller holds the lock of the agent.
   */
  readonly shutDown: (operation: string, id: Id.AgentId) => Effect.Effect<ShutDown, Failure>
  /** Drops the handle of this process on the sandbox of an agent, so that the next caller connects again. */
  readonly forget: (id: Id.AgentId) => void
  /** Keeps the sandbox of an agent alive until the scope closes, once for all callers. */
  readonly keepAlive: (id: Id.AgentId) => Effect.Effect<void, never, Scope.Scope>
  /** Fails with `TimeoutTooLong` when the wall timeout of a command is longer than any ttl. */
  readonly checkTimeout: (operation: string, wall: Duration.Duration) => Effect.Effect<void, Failure>
  /** Extends the ttl of an agent's sandbox so that it outlives a command that is about to start. */
  readonly extendFor: (
    id: Id.AgentId,
    wall: Duration.Duration
  ) => Effect.Effect<void, SandboxError.SandboxError>
  /**
   * Maps a sandbox failure to one of the agent. Only a sandbox that is confirmed gone marks the agent as lost. Fails
   * with `AgentNotReady` when the agent was terminated on purpose.
   */
  readonly classifyFailure: (
    operation: string,
    id: Id.AgentId
  ) => (cause: SandboxError.SandboxError) => Effect.Effect<never, Failure>
}

/**
 * What became of a sandbox whose processes could not be killed.
 *
 * @category models
 * @since 0.1.0
 */
export type ShutDown = "paused" | "terminated"

/** A sandbox that this process is connected to. */
interface Connection {
  readonly place: AgentSandbox
  /** The ttl that each extension asks for; absent when another part of the process keeps the sandbox alive. */
  readonly ttl: Duration.Duration | undefined
  /** When the ttl is over, in milliseconds since 1970. */
  until: number
}

/** The agents that take queries. */
const ready: ReadonlySet<Agent.Agent["status"]> = new Set(["active", "paused"])

/** The agents whose sandbox can be looked into: also an agent whose launch failed and kept its sandbox. */
const reachable: ReadonlySet<Agent.Agent["status"]> = new Set([...ready, "failed"])

/** Failures of one command or one file, which say nothing of the sandbox. */
const commandFailures: ReadonlySet<SandboxError.Reason["_tag"]> = new Set([
  "FileNotFound",
  "FileTooLarge",
  "IdleTimedOut",
  "WallTimedOut",
  "OutputTooLarge",
  "InvalidRequest",
  "Unsupported"
])

/** How much longer than a command its sandbox lives, where the account allows it. */
const margin = Duration.minutes(1)

/** The sandboxes of the agents that this process uses. */
export const make: Effect.Effect<
  AgentSandboxes,
  never,
  | AgentStore.AgentStore
  | RemoteAgentConfig.RemoteAgentConfig
  | Profiles
  | Sandboxes.Sandboxes
  | Scope.Scope
  | StateStore
> = Effect.gen(function* () {
  const [config, profiles, sandboxes, store] = yield* Effect.all([
    RemoteAgentConfig.RemoteAgentConfig,
    Profiles,
    Sandboxes.Sandboxes,
    StateStore
  ])
  const { move } = yield* AgentStore.AgentStore
  const connections = new Map<Id.AgentId, Connection>()
  const secretsOf = new WeakMap<AgentSandbox, ReadonlyArray<Redacted.Redacted>>()

  const register: AgentSandboxes["register"] = (id, place, ttl, since, values) => {
    if (values !== undefined) secretsOf.set(place, values)
    connections.set(id, { place, ttl, until: since + (ttl === undefined ? 0 : Duration.toMillis(ttl)) })
  }

  const secrets: AgentSandboxes["secrets"] = Effect.fnUntraced(function* ({ secretVariables = [] }, place) {
    const names = new Set([...ProfileEnvironment.secretNames(place.profile), ...secretVariables])
    const values = secretsOf.get(place) ?? (yield* SandboxSecrets.read(place.sandbox, [...names]))
    secretsOf.set(place, values)
    return values
  })

  const lost = Effect.fnUntraced(function* (operation: string, id: Id.AgentId) {
    const detail = "Its sandbox no longer exists."
    const { status } = yield* AgentStore.stored(operation, move(id, "sandboxGone", detail))
    return yield* AgentStore.failure(
      operation,
      status === "terminated"
        ? new OrchestratorError.AgentNotReady({ id, status })
        : new OrchestratorError.AgentLost({ id })
    )
  })

  const classifyFailure: AgentSandboxes["classifyFailure"] = (operation, id) => (cause) =>
    Effect.suspend(() => {
      const { _tag } = cause.reason
      // The next caller connects again, which also resumes a sandbox that was paused elsewhere. The sandbox of a
      // command that failed by itself is still there, and others may be using it.
      if (!commandFailures.has(_tag)) connections.delete(id)
      return _tag === "Gone" || _tag === "Expired"
        ? lost(operation, id)
        : Effect.fail(AgentStore.fromSandbox(operation)(cause))
    })

  const shutDown: AgentSandboxes["shutDown"] = Effect.fn("AgentSandboxes.shutDown")(
    function* (operation, id) {
      const agent = yield* AgentStore.stored(operation, store.getAgent(id))
      const binding = yield* AgentStore.bindingOf(operation, agent, sandboxes.provider)
      connections.delete(id)
      if (binding === undefined) return "terminated" as const
      if (agent.persistent) {
        const paused = yield* Effect.result(sandboxes.pause(binding.sandboxId))
        if (paused._tag === "Success") {
          yield* AgentStore.stored(operation, move(id, "paused"))
          return "paused" as const
        }
        yield* Effect.logWarning("A sandbox could not be paused and is terminated", paused.failure)
      }
      yield* Effect.mapError(sandboxes.terminate(binding.sandboxId), AgentStore.fromSandbox(operation))
      const detail = "Its sandbox was terminated, because the processes of a query could not be killed."
      yield* AgentStore.stored(operation, move(id, "sandboxGone", detail))
      return "terminated" as const
    }
  )

  const isPaused = (operation: string, agent: Agent.Agent) =>
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
    const ttl = agent.ttl ?? config.E2B_DEFAULT_TIMEOUT
    const since = yield* Clock.currentTimeMillis
    const { sandbox } = yield* sandboxes
      .connect(binding.sandboxId, ttl)
      .pipe(Effect.catch(classifyFailure(operation, id)))
    if (agent.status === "paused") yield* AgentStore.stored(operation, move(id, "resumed"))
    const place: AgentSandbox = { sandbox, profile, home: binding.home }
    register(id, place, ttl, since)
    return place
  })

  const of = Effect.fnUntraced(function* (
    operation: string,
    id: Id.AgentId,
    options: AgentSandboxOptions = {},
    allowed: ReadonlySet<Agent.Agent["status"]> = ready
  ): Effect.fn.Return<AgentSandbox, Failure> {
    const agent = yield* AgentStore.stored(operation, store.getAgent(id))
    const { status } = agent
    yield* AgentStore.bindingOf(operation, agent, sandboxes.provider)
    if (!allowed.has(status) || (status === "failed" && agent.binding === undefined)) {
      return yield* AgentStore.failure(operation, new OrchestratorError.AgentNotReady({ id, status }))
    }
    if (options.resume === false && (yield* isPaused(operation, agent))) {
      return yield* AgentStore.failure(operation, new OrchestratorError.AgentPaused({ id }))
    }
    const known = connections.get(id)
    const now = yield* Clock.currentTimeMillis
    // Another process may have paused the agent or replaced its sandbox, and the ttl may be over.
    const usable =
      status === "active" &&
      known?.place.sandbox.id === agent.binding?.sandboxId &&
      (known?.ttl === undefined || now < known.until)
    return known !== undefined && usable ? known.place : yield* connect(operation, agent)
  })

  /** Extends the ttl, unless the sandbox lives longer than that already. */
  const extend = Effect.fnUntraced(function* (known: Connection, ttl: Duration.Duration) {
    const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(ttl)
    if (known.until >= until) return
    yield* sandboxes.extend(known.place.sandbox.id, ttl)
    known.until = until
  })

  const alive = yield* RcMap.make({
    lookup: Effect.fnUntraced(function* (id: Id.AgentId) {
      const known = connections.get(id)
      if (known?.ttl === undefined) return
      const { place, ttl } = known
      const longer = (asked: Duration.Input) =>
        extend(connections.get(id) ?? known, Duration.fromInputUnsafe(asked))
      const left = known.until - (yield* Clock.currentTimeMillis)
      const third = Duration.toMillis(ttl) / 3
      // Extends for the first time when a third of the ttl is over, which may be the case already.
      const first = longer(ttl).pipe(
        Effect.retry({ schedule: Schedule.spaced(third / 4), times: 8 }),
        Effect.catch((error) => Effect.logWarning("The ttl of a sandbox could not be extended", error)),
        Effect.delay(Math.max(0, left - 2 * third))
      )
      const keep = KeepAlive.keep({ extend: (_, asked) => longer(asked) }, place.sandbox.id, ttl)
      yield* Effect.forkScoped(Effect.andThen(first, keep))
    })
  })

  const keepAlive: AgentSandboxes["keepAlive"] = (id) => RcMap.get(alive, id)

  const open: AgentSandboxes["open"] = Effect.fnUntraced(function* (operation, id, options) {
    const { sandbox } = yield* of(operation, id, options, reachable)
    yield* keepAlive(id)
    return sandbox
  })

  const use: AgentSandboxes["use"] = (operation, id, work, options) =>
    Effect.flatMap(open(operation, id, options), (sandbox) =>
      Effect.catch(work(sandbox), classifyFailure(operation, id))
    ).pipe(Effect.scoped)

  const checkTimeout: AgentSandboxes["checkTimeout"] = (operation, asked) => {
    const longest = config.E2B_MAX_TIMEOUT
    return Duration.isGreaterThan(asked, longest)
      ? Effect.fail(AgentStore.failure(operation, new OrchestratorError.TimeoutTooLong({ asked, longest })))
      : Effect.void
  }

  const extendFor: AgentSandboxes["extendFor"] = Effect.fnUntraced(function* (id, wall) {
    const known = connections.get(id)
    if (known?.ttl === undefined) return
    yield* extend(known, Duration.min(Duration.sum(wall, margin), config.E2B_MAX_TIMEOUT))
  })

  return {
    of,
    open,
    use,
    register,
    secrets,
    isolated: sandboxes.isolation === "isolated",
    shutDown,
    forget: (id) => void connections.delete(id),
    keepAlive,
    checkTimeout,
    extendFor,
    classifyFailure
  }
})
