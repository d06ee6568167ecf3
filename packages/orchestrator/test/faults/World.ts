import { type RemoteAgentConfig, type Id, SandboxLabels } from "@remote-agent/domain"
import {
  AgentRuntime,
  LaunchIntents,
  Leases,
  Orchestrator,
  type Profiles,
  Reaper,
  StateStore
} from "@remote-agent/orchestrator"
import { type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { type Duration, Effect, Scope } from "effect"
import { of, type ById } from "../support/byId.ts"

/** A process of its own: its orchestrator, its reaper, and its death. */
export interface Process {
  readonly orchestrator: ById
  readonly reaper: Reaper.Reaper["Service"]
  readonly isDead: () => boolean
  /** From then on it does nothing more. Its finalizers do not run either. */
  readonly die: Effect.Effect<void>
}

/** What several processes share: one provider, one store, and the time. */
export interface World {
  readonly makeProcess: Effect.Effect<Process>
  /** Lets time go by, and everything happen that then can. */
  readonly pass: (duration: Duration.Input) => Effect.Effect<void>
  /** How much time goes by at once while something is waited for. */
  readonly stride: Duration.Input
  /** From now on nothing goes wrong. */
  readonly calm: Effect.Effect<void>
  /** The provider as it is, with nothing in between. */
  readonly truth: Sandboxes.Sandboxes["Service"]
  readonly store: StateStore.StateStore["Service"]
  readonly intents: LaunchIntents.LaunchIntents["Service"]
  /** What went wrong on purpose, for whoever replays it. */
  readonly told: () => string
}

/** Whose sandboxes are at stake. */
export const owner = "me"

/** How a process reaches what it shares with others. */
export interface Reach {
  readonly sandboxes: Sandboxes.Sandboxes["Service"]
  readonly store: StateStore.StateStore["Service"]
  readonly intents: LaunchIntents.LaunchIntents["Service"]
  readonly leases: Leases.Leases["Service"]
  /** Before and after each use of the store: a moment to die in. */
  readonly pause?: Effect.Effect<void> | undefined
  /** What else its death does. */
  readonly onDeath?: Effect.Effect<void> | undefined
}

/** A process that hangs once it is dead, with all that it still wanted to do. */
export const makeProcess = Effect.fnUntraced(function* (
  reach: Reach
): Effect.fn.Return<Process, never, RemoteAgentConfig.RemoteAgentConfig | Profiles.Profiles> {
  const { intents, leases, onDeath = Effect.void, pause = Effect.void, sandboxes, store } = reach
  const life = { dead: false }
  // Not interrupted but left hanging: what dies runs no finalizers.
  const living = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => (life.dead ? Effect.never : Effect.exit(effect))).pipe(
      Effect.flatMap((exit) => (life.dead ? Effect.never : exit))
    )
  const slow = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    living(Effect.andThen(pause, living(effect)))
  const services = Effect.gen(function* () {
    return { orchestrator: of(yield* Orchestrator.make), reaper: yield* Reaper.make }
  })
  const { orchestrator, reaper } = yield* services.pipe(
    Effect.provideService(Sandboxes.Sandboxes, {
      ...sandboxes,
      launch: (spec) => slow(sandboxes.launch(spec)),
      connect: (id, ttl) => living(sandboxes.connect(id, ttl)),
      extend: (id, ttl) => living(sandboxes.extend(id, ttl)),
      pause: (id) => living(sandboxes.pause(id)),
      resume: (id, ttl) => living(sandboxes.resume(id, ttl)),
      terminate: (id) => slow(sandboxes.terminate(id))
    }),
    Effect.provideService(StateStore.StateStore, {
      ...store,
      createAgent: (agent) => slow(store.createAgent(agent)),
      getAgent: (id) => living(store.getAgent(id)),
      updateAgent: (agent, fence) => slow(store.updateAgent(agent, fence)),
      createQuery: (query) => living(store.createQuery(query)),
      getQuery: (id) => living(store.getQuery(id)),
      startQuery: (id, job, fence) => living(store.startQuery(id, job, fence)),
      requestCancel: (id, by) => living(store.requestCancel(id, by)),
      appendEvents: (id, events, fence) => living(store.appendEvents(id, events, fence)),
      createPool: (made) => living(store.createPool(made)),
      getPool: (name) => living(store.getPool(name)),
      updatePool: (made) => living(store.updatePool(made))
    }),
    Effect.provideService(Leases.Leases, {
      acquire: (resource, claim) => living(leases.acquire(resource, claim)),
      renew: (lease, ttl) => living(leases.renew(lease, ttl)),
      release: (lease) => living(leases.release(lease)),
      current: (resource) => living(leases.current(resource))
    }),
    Effect.provideService(LaunchIntents.LaunchIntents, {
      ...intents,
      open: (intent) => slow(intents.open(intent)),
      renew: (attemptId) => living(intents.renew(attemptId)),
      close: (attemptId) => slow(intents.close(attemptId))
    }),
    Effect.provide(AgentRuntime.layer),
    // Never closed: a process that ends in order closes its own scopes, and this stands for one that may not.
    Scope.provide(yield* Scope.make())
  )
  const process: Process = {
    orchestrator,
    reaper,
    isDead: () => life.dead,
    die: Effect.andThen(
      Effect.sync(() => {
        life.dead = true
      }),
      onDeath
    )
  }
  return process
})

/** A sandbox that somebody stamped, in whatever way. */
export const stamped = (
  truth: Sandboxes.Sandboxes["Service"],
  metadata: Readonly<Record<string, string>>
): Effect.Effect<Sandbox.Sandbox> => Effect.orDie(truth.launch({ ttl: "23 hours", metadata }))

/** The stamp of an owner's sandbox of an agent. */
export const stampOf = (whose: string, agentId: Id.AgentId): Readonly<Record<string, string>> => ({
  [SandboxLabels.ownerKey]: whose,
  [SandboxLabels.agentKey]: agentId
})
