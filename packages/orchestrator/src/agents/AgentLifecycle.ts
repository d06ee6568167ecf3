import {
  Agent,
  type Id,
  AgentLifecycle,
  OrchestratorError,
  type Query,
  RemoteAgentConfig,
  SandboxLabels
} from "@remote-agent/domain"
import { type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Clock, DateTime, Duration, Effect, Result, Stream } from "effect"
import { AgentRuntime, type AgentSandbox, type Updated } from "../runtime/AgentRuntime.ts"
import {
  age,
  type Check,
  failed,
  type Health,
  life,
  machineScript,
  observed,
  ok,
  readMachine,
  skipped
} from "./AgentHealth.ts"
import type { AgentSandboxOptions, AgentSandboxes } from "./AgentSandboxes.ts"
import type { SetupSnapshots } from "../runtime/setup/SetupSnapshots.ts"
import * as AgentStore from "../state/AgentStore.ts"
import { type AgentFilter, StateStore } from "../state/StateStore.ts"
import * as AgentLocks from "./AgentLocks.ts"

export type { Check, Health } from "./AgentHealth.ts"

type Failure = OrchestratorError.OrchestratorError

/** How an operation treats a running query. */
export interface AgentOperationOptions {
  /** `refuse` when absent. */
  readonly whenRunning?: AgentLocks.WhenRunning | undefined
}

/** An agent with its sandbox and its queries, read without resuming it. */
export interface AgentInfo {
  readonly agent: Agent.Agent
  /** The state of its sandbox; `unknown` when the provider does not answer, and `none` when it has no sandbox. */
  readonly sandbox: "running" | "paused" | "gone" | "unknown" | "none"
  /** When the ttl of its sandbox is over. */
  readonly endsAt?: DateTime.Utc | undefined
  /** The query that runs. */
  readonly current?: Query.Query | undefined
  /** The queued queries, oldest first, at most a hundred. */
  readonly queue: ReadonlyArray<Query.Query>
}

/** The operations on an agent, queries apart. */
export interface AgentLifecycle {
  readonly pause: (id: Id.AgentId, options?: AgentOperationOptions) => Effect.Effect<Agent.Agent, Failure>
  readonly resume: (id: Id.AgentId) => Effect.Effect<Agent.Agent, Failure>
  readonly update: (
    id: Id.AgentId,
    options?: AgentOperationOptions & AgentSandboxOptions
  ) => Effect.Effect<Updated, Failure>
  readonly health: (id: Id.AgentId) => Effect.Effect<Health, Failure>
  readonly info: (id: Id.AgentId) => Effect.Effect<AgentInfo, Failure>
  readonly rename: (id: Id.AgentId, name: Agent.AgentName) => Effect.Effect<Agent.Agent, Failure>
  readonly label: (
    id: Id.AgentId,
    labels: Readonly<Record<string, string | undefined>>
  ) => Effect.Effect<Agent.Agent, Failure>
  /**
   * Runs work in the sandbox of an agent while no query runs and the lock is held. A running query is treated as in
   * `pause`. Fails with `TakenOver`, which interrupts the work, when the lock is lost.
   */
  readonly withExclusiveAccess: <A, E, R>(
    operation: string,
    id: Id.AgentId,
    work: (place: AgentSandbox) => Effect.Effect<A, E, R>,
    options?: AgentOperationOptions & AgentSandboxOptions
  ) => Effect.Effect<A, E | Failure, R>
  readonly find: (text: string) => Effect.Effect<ReadonlyArray<Agent.Agent>, Failure>
  /** The agents with the status that their sandboxes show. Asks the provider once for all of them; resumes none. */
  readonly observe: (filter?: AgentFilter) => Stream.Stream<Agent.Agent, Failure>
}

/** The time limit of the checks inside a sandbox. */
const lookLimit = Duration.seconds(20)

/** Fails with `AgentNotReady` when the status of the agent does not allow the event. */
const allow = (operation: string, event: AgentLifecycle.LifecycleEvent, { id, status }: Agent.Agent) =>
  Result.isSuccess(AgentLifecycle.transition(status, event))
    ? Effect.void
    : Effect.fail(AgentStore.failure(operation, new OrchestratorError.AgentNotReady({ id, status })))

/** Sets labels and removes those whose value is `undefined`. Other labels stay. */
export const relabelled = (
  agent: Agent.Agent,
  labels: Readonly<Record<string, string | undefined>>
): Agent.Agent => {
  const all: Record<string, string> = { ...agent.labels }
  for (const [key, value] of Object.entries(labels)) {
    if (value === undefined) delete all[key]
    else all[key] = value
  }
  return new Agent.Agent({ ...agent, labels: all })
}

/** The operations on the agents of a store. */
export const make = Effect.fnUntraced(function* (
  places: AgentSandboxes,
  turns: AgentLocks.AgentLocks,
  acquireIdle: AgentLocks.AcquireIdle,
  snapshots: SetupSnapshots
): Effect.fn.Return<
  AgentLifecycle,
  never,
  | AgentRuntime
  | AgentStore.AgentStore
  | RemoteAgentConfig.RemoteAgentConfig
  | Sandboxes.Sandboxes
  | StateStore
> {
  const [runtime, sandboxes, store, config] = yield* Effect.all([
    AgentRuntime,
    Sandboxes.Sandboxes,
    StateStore,
    RemoteAgentConfig.RemoteAgentConfig
  ])
  const { ttl } = yield* AgentLocks.Policy
  const { change, move } = yield* AgentStore.AgentStore

  const get = (operation: string, id: Id.AgentId) =>
    Effect.mapError(store.getAgent(id), AgentStore.fromStore(operation))

  const pause: AgentLifecycle["pause"] = Effect.fn("Orchestrator.pause")(function* (id, options = {}) {
    const before = yield* get("pause", id)
    if (before.status === "paused") return before
    yield* allow("pause", "paused", before)
    const { lease } = yield* acquireIdle("pause", id, options.whenRunning ?? "refuse")
    // Another process may have terminated or paused it meanwhile.
    const agent = yield* get("pause", id)
    if (agent.status === "paused") return agent
    yield* allow("pause", "paused", agent)
    const binding = yield* AgentStore.bindingOf("pause", agent, sandboxes.provider)
    if (binding === undefined) return yield* get("pause", id)
    places.forget(id)
    yield* Effect.catch(sandboxes.pause(binding.sandboxId), places.classifyFailure("pause", id))
    return yield* Effect.mapError(move(id, "paused", undefined, lease), AgentStore.fromStore("pause"))
  }, Effect.scoped)

  const resume: AgentLifecycle["resume"] = Effect.fn("Orchestrator.resume")(function* (id) {
    yield* turns.acquire("resume", id)
    // Connects again: the sandbox may be paused although the record says nothing of it.
    places.forget(id)
    yield* places.of("resume", id)
    return yield* get("resume", id)
  }, Effect.scoped)

  /**
   * Checks the sandbox after a failed update. Only a sandbox that is gone makes the agent lost; in all other cases
   * the agent stays, so that its files can be saved.
   */
  const aftermath = Effect.fnUntraced(function* (
    id: Id.AgentId,
    { cause, restored }: OrchestratorError.UpdateFailed
  ) {
    if (restored && cause._tag !== "SandboxError") return
    places.forget(id)
    const { binding } = yield* get("update", id)
    if (binding === undefined) return
    yield* sandboxes.info(binding.sandboxId).pipe(
      Effect.catchReason("SandboxError", "Gone", (_, error) => places.classifyFailure("update", id)(error)),
      Effect.catchTag("SandboxError", () => Effect.void)
    )
    if (!restored) yield* describe(id, "An update failed and could not be undone.")
  })

  /** Sets or removes the detail of an agent. */
  const describe = (id: Id.AgentId, detail: string | undefined) =>
    AgentStore.stored(
      "update",
      change(id, (agent) => {
        const { detail: _, ...rest } = agent
        return new Agent.Agent({ ...rest, ...(detail === undefined ? {} : { detail }) })
      })
    )

  const update: AgentLifecycle["update"] = Effect.fn("Orchestrator.update")(function* (id, options = {}) {
    const { lost } = yield* acquireIdle("update", id, options.whenRunning ?? "refuse")
    const place = yield* places.of("update", id, { resume: options.resume })
    yield* places.keepAlive(id)
    const updated = yield* runtime.update(place).pipe(
      Effect.catch((failure) =>
        Effect.andThen(aftermath(id, failure), Effect.fail(AgentStore.failure("update", failure)))
      ),
      Effect.raceFirst(lost)
    )
    if ((yield* get("update", id)).detail !== undefined) yield* describe(id, undefined)
    // The snapshot may hold the code as it was before the update.
    yield* snapshots.invalidate(place.profile)
    return updated
  }, Effect.scoped)

  const withExclusiveAccess: AgentLifecycle["withExclusiveAccess"] = (operation, id, work, options = {}) =>
    Effect.gen(function* () {
      const { lost } = yield* acquireIdle(operation, id, options.whenRunning ?? "refuse")
      const place = yield* places.of(operation, id, { resume: options.resume })
      yield* places.keepAlive(id)
      return yield* Effect.raceFirst(work(place), lost)
    }).pipe(
      Effect.scoped,
      Effect.withSpan("Orchestrator.withExclusiveAccess", { attributes: { operation, agentId: id } })
    )

  const sandboxOf = Effect.fnUntraced(function* ({ binding }: Agent.Agent) {
    if (binding === undefined) return { state: "none" as const, info: undefined }
    if (binding.provider !== sandboxes.provider) return { state: "unknown" as const, info: undefined }
    const info = yield* Effect.result(sandboxes.info(binding.sandboxId))
    if (Result.isSuccess(info)) return { state: info.success.state, info: info.success }
    const { _tag } = info.failure.reason
    return { state: _tag === "Gone" ? ("gone" as const) : ("unknown" as const), info: undefined }
  })

  const info: AgentLifecycle["info"] = Effect.fn("Orchestrator.info")(function* (id) {
    const agent = yield* get("info", id)
    const of = (status: Query.QueryStatus, limit: number) =>
      Effect.mapError(
        Stream.runCollect(store.listQueries({ agentId: id, status }, { limit })),
        AgentStore.fromStore("info")
      )
    const [{ info: seen, state }, [current], queue] = yield* Effect.all(
      [sandboxOf(agent), of("running", 1), of("queued", 100)],
      { concurrency: 3 }
    )
    return { agent: observed(agent, seen?.state), sandbox: state, endsAt: seen?.endsAt, current, queue }
  })

  /** Checks the program, the disk and the clock of a running sandbox. */
  const inside = Effect.fnUntraced(function* (agent: Agent.Agent, awake: boolean) {
    const names = ["program", "disk", "clock"] as const
    if (!awake) return names.map((name) => skipped(name, "Its sandbox is not awake."))
    const place = yield* Effect.result(places.of("health", agent.id, { resume: false }))
    if (Result.isFailure(place)) return names.map((name) => skipped(name, place.failure.message))
    const { sandbox } = place.success
    const program = runtime.checkHealth(place.success).pipe(
      Effect.as(ok("program", "Its health check passes.")),
      Effect.catch((error) =>
        Effect.succeed(
          error._tag === "CommandFailed"
            ? failed("program", `Its health check ended with exit code ${error.exitCode}.`)
            : failed(
                "program",
                error._tag === "SandboxError" ? error.message : `It lacks something: ${error._tag}.`
              )
        )
      )
    )
    const machine = look(sandbox).pipe(
      Effect.catch((error) =>
        Effect.succeed([skipped("disk", error.message), skipped("clock", error.message)] as const)
      )
    )
    const [first, rest] = yield* Effect.all([program, machine], { concurrency: 2 })
    return [first, ...rest]
  })

  const look = Effect.fnUntraced(function* (sandbox: Sandbox.Sandbox) {
    const { stdout } = yield* sandbox.exec({
      script: machineScript,
      timeouts: { wall: lookLimit }
    })
    return readMachine(stdout, yield* Clock.currentTimeMillis)
  })

  const health: AgentLifecycle["health"] = Effect.fn("Orchestrator.health")(function* (id) {
    const agent = yield* get("health", id)
    const before = yield* sandboxOf(agent)
    const awake = before.state === "running" && agent.status === "active"
    const within = yield* inside(agent, awake)
    // The checks may have extended the ttl.
    const { info: seen, state } = awake ? yield* sandboxOf(agent) : before
    const holder = yield* turns.holder("health", id)
    const now = yield* DateTime.now
    const expected = AgentLifecycle.mayHoldSandbox(agent.status)
    const sandbox =
      state === "running" || state === "paused"
        ? ok(
            "sandbox",
            state === "running" && seen !== undefined
              ? `It is running until ${DateTime.formatIso(seen.endsAt)}.`
              : `It is ${state}.`
          )
        : state === "none" && !expected
          ? skipped("sandbox", `The agent is ${agent.status} and has none.`)
          : failed(
              "sandbox",
              state === "unknown" ? "The provider could not be asked." : "It no longer exists."
            )
    const checks: ReadonlyArray<Check> = [
      sandbox,
      ...within,
      life({ holder, sandbox: seen, persistent: agent.persistent, now, reaction: ttl }),
      age(agent, now)
    ]
    return { agentId: id, healthy: checks.every(({ status }) => status !== "failed"), checks }
  })

  const rename: AgentLifecycle["rename"] = Effect.fn("Orchestrator.rename")((id, name) =>
    Effect.mapError(
      change(id, (agent) => new Agent.Agent({ ...agent, name })),
      AgentStore.fromStore("rename")
    )
  )

  const label: AgentLifecycle["label"] = Effect.fn("Orchestrator.label")((id, labels) =>
    Effect.mapError(
      change(id, (agent) => relabelled(agent, labels)),
      AgentStore.fromStore("label")
    )
  )

  const find: AgentLifecycle["find"] = Effect.fn("Orchestrator.find")((text) =>
    Effect.mapError(store.findAgents(text), AgentStore.fromStore("find"))
  )

  const observe: AgentLifecycle["observe"] = ({ status, ...others } = {}) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const owned = { [SandboxLabels.ownerKey]: config.REMOTE_AGENT_OWNER }
        const seen = sandboxes.list({ metadata: owned, state: "paused" })
        const paused = new Set(
          yield* Effect.mapError(
            Stream.runCollect(Stream.map(seen, ({ id }) => id)),
            AgentStore.fromSandbox("list")
          )
        )
        const wanted = status === undefined ? undefined : new Set([status].flat())
        return Stream.mapError(store.listAgents(others), AgentStore.fromStore("list")).pipe(
          Stream.map((agent) =>
            agent.binding !== undefined && paused.has(agent.binding.sandboxId)
              ? observed(agent, "paused")
              : agent
          ),
          Stream.filter((agent) => wanted === undefined || wanted.has(agent.status))
        )
      })
    ).pipe(Stream.withSpan("Orchestrator.observe"))

  return { pause, resume, update, withExclusiveAccess, health, info, rename, label, find, observe }
})
