import type { RemoteAgentConfig } from "@remote-agent/domain"
import {
  AgentRuntime,
  type LaunchIntents,
  Leases,
  Orchestrator,
  type Profiles,
  StateStore
} from "@remote-agent/orchestrator"
import { Sandboxes } from "@remote-agent/sandbox"
import { Effect, type Scope, Stream } from "effect"
import { type ById, of } from "./byId.ts"

/** A process of its own, over the provider and the stores of the test. */
export interface OtherProcess {
  readonly orchestrator: ById
  /** From then on it does nothing more, not even clean up. */
  readonly die: Effect.Effect<void>
  /** Shows no signs of life, and does not learn that it has lost its leases, but does all else. */
  readonly faint: Effect.Effect<void>
}

/** Another process that can die, or lose touch with its leases, at any time. */
export const make: Effect.Effect<
  OtherProcess,
  never,
  | RemoteAgentConfig.RemoteAgentConfig
  | Profiles.Profiles
  | Sandboxes.Sandboxes
  | StateStore.StateStore
  | Leases.Leases
  | LaunchIntents.LaunchIntents
  | Scope.Scope
> = Effect.gen(function* () {
  const [sandboxes, store, leases] = yield* Effect.all([
    Sandboxes.Sandboxes,
    StateStore.StateStore,
    Leases.Leases
  ])
  const life = { dead: false, faint: false }
  const living = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => (life.dead ? Effect.never : Effect.exit(effect))).pipe(
      Effect.flatMap((exit) => (life.dead ? Effect.never : exit))
    )
  const flowing = <A, E>(stream: Stream.Stream<A, E>): Stream.Stream<A, E> =>
    Stream.mapEffect(
      Stream.suspend(() => (life.dead ? Stream.never : stream)),
      (value) => living(Effect.succeed(value))
    )
  const orchestrator = yield* Orchestrator.make.pipe(
    Effect.provideService(Sandboxes.Sandboxes, {
      ...sandboxes,
      connect: (id, ttl) => living(sandboxes.connect(id, ttl)),
      terminate: (id) => living(sandboxes.terminate(id)),
      pause: (id) => living(sandboxes.pause(id))
    }),
    Effect.provideService(StateStore.StateStore, {
      ...store,
      getAgent: (id) => living(store.getAgent(id)),
      updateAgent: (agent, fence) => living(store.updateAgent(agent, fence)),
      createQuery: (query) => living(store.createQuery(query)),
      getQuery: (id) => living(store.getQuery(id)),
      listQueries: (filter, range) => flowing(store.listQueries(filter, range)),
      startQuery: (id, job, fence) => living(store.startQuery(id, job, fence)),
      requestCancel: (id, by) => living(store.requestCancel(id, by)),
      appendEvents: (id, events, fence) => living(store.appendEvents(id, events, fence)),
      events: (id, from) => flowing(store.events(id, from))
    }),
    Effect.provideService(Leases.Leases, {
      ...leases,
      acquire: (resource, claim) => living(leases.acquire(resource, claim)),
      renew: (lease, ttl) => living(life.faint ? Effect.never : leases.renew(lease, ttl)),
      release: (lease) => living(leases.release(lease))
    }),
    Effect.provide(AgentRuntime.layer)
  )
  const other: OtherProcess = {
    orchestrator: of(orchestrator),
    die: Effect.sync(() => {
      life.dead = true
    }),
    faint: Effect.sync(() => {
      life.faint = true
    })
  }
  return other
})
