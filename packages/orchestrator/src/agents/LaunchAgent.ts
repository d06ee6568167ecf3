import {
  type Agent,
  RemoteAgentConfig,
  Id,
  OrchestratorError,
  type Profile,
  type StateStoreError
} from "@remote-agent/domain"
import { KeepAlive, Sandboxes } from "@remote-agent/sandbox"
import { Cause, Effect, Option, type Scope } from "effect"
import { Profiles } from "../profiles/Profiles.ts"
import type { SetupSnapshots } from "../runtime/setup/SetupSnapshots.ts"
import * as AgentStore from "../state/AgentStore.ts"
import * as LaunchIntents from "../state/LaunchIntents.ts"
import type { Entry } from "../state/SnapshotIndex.ts"
import type { AgentSandboxes } from "./AgentSandboxes.ts"
import { checkedTtl, type LaunchSpec, type OnStage } from "./AgentSpec.ts"
import * as LaunchCircuitBreaker from "./LaunchCircuitBreaker.ts"
import type { Launch, Services, Step } from "./launchSteps.ts"
import * as LaunchSteps from "./launchSteps.ts"

type Failure = OrchestratorError.OrchestratorError

/** A launch that was asked for. */
export interface Order<R> {
  readonly id: Id.AgentId
  readonly spec: Launch["spec"]
  /** Records the agent as launching. */
  readonly enter: (profile: Profile.Profile) => Effect.Effect<unknown, StateStoreError.StateStoreError>
  /** Whether the caller keeps the sandbox alive from now on. Called once there is one. */
  readonly hold: (sandboxId: Id.SandboxId) => Effect.Effect<boolean, never, R>
  /** Whether the setup may be kept for later launches. */
  readonly keepsSetup: boolean
}

/** Runs launches. */
export type LaunchAgent = <R>(order: Order<R>) => Effect.Effect<Agent.Agent, Failure, R>

/** Names the stage in which something failed, and tells the caller that it begins. */
export const inStage =
  (stage: OrchestratorError.LaunchStage, onStage?: OnStage) =>
  <A, R>(effect: Effect.Effect<A, OrchestratorError.LaunchFailed["cause"] | Failure, R>) =>
    Effect.mapError(onStage === undefined ? effect : Effect.andThen(onStage(stage), effect), (cause) =>
      cause._tag === "OrchestratorError"
        ? cause
        : AgentStore.failure("launch", new OrchestratorError.LaunchFailed({ stage, cause }))
    ).pipe(Effect.withSpan(`Orchestrator.launch.${stage}`))

/** Undoes steps that have begun, last to first, until one may have left something. */
const undo = (begun: ReadonlyArray<Step>, launch: Launch, cause: Cause.Cause<Failure>) =>
  Effect.gen(function* () {
    for (const step of begun.toReversed()) {
      if (step.undo !== undefined && !(yield* step.undo(launch, cause))) return
    }
  })

/** Runs steps in their order, and notes in `begun` how far it came. */
const runSteps = Effect.fnUntraced(function* (
  steps: ReadonlyArray<Step>,
  launch: Launch,
  begun: Array<Step>
) {
  for (const step of steps) {
    if (step.skip?.(launch) === true) continue
    begun.push(step)
    yield* inStage(step.stage, launch.spec.onStage)(step.run(launch))
  }
})

const stepsOf = (steps: ReadonlyArray<Step>, stage: OrchestratorError.LaunchStage) =>
  steps.filter((step) => step.stage === stage)

/** Launches agents, each by the steps of {@link LaunchSteps.make}. */
export const make = Effect.fnUntraced(function* (
  agentSandboxes: AgentSandboxes,
  snapshots: SetupSnapshots,
  services: Services
): Effect.fn.Return<
  LaunchAgent,
  never,
  | RemoteAgentConfig.RemoteAgentConfig
  | Profiles
  | Sandboxes.Sandboxes
  | LaunchIntents.LaunchIntents
  | Scope.Scope
> {
  const [config, profiles, sandboxes, intents] = yield* Effect.all([
    RemoteAgentConfig.RemoteAgentConfig,
    Profiles,
    Sandboxes.Sandboxes,
    LaunchIntents.LaunchIntents
  ])
  const breaker = yield* LaunchCircuitBreaker.make(sandboxes.provider)
  const [record, ...steps] = LaunchSteps.make(services)
  // These cannot be interrupted: a sandbox whose creation was interrupted would be known by its intent alone.
  const [intent, create] = [stepsOf(steps, "intent"), stepsOf(steps, "create")]
  const rest = steps.filter((step) => !intent.includes(step) && !create.includes(step))

  /** What a launch needs to know before anything is recorded or created. */
  const prepare = Effect.fnUntraced(function* <R>(order: Order<R>) {
    const { enter, id, keepsSetup, spec } = order
    const profile = yield* profiles.get(spec.profile ?? config.REMOTE_AGENT_PROFILE)
    yield* Effect.annotateCurrentSpan({ agentId: id, profile: profile.name })
    if (sandboxes.isolation === "missing" && !profile.trusted) {
      return yield* AgentStore.failure(
        "launch",
        new OrchestratorError.IsolationRequired({ profile: profile.name })
      )
    }
    const asked = checkedTtl(spec.ttl ?? config.E2B_DEFAULT_TIMEOUT, config.E2B_MAX_TIMEOUT)
    const ttl = yield* inStage("create")(asked)
    const { env, masked, secrets } = yield* profiles.prepare(profile, spec.env)
    const found = yield* snapshots.lookup(profile)
    const all: NonNullable<LaunchSpec["env"]> = { ...env, ...spec.env }
    // Sandboxes elsewhere have a network of their own, and one that is made from a snapshot needs none for its setup.
    if (sandboxes.provider === "local" && Option.isNone(found) && spec.allowInternetAccess !== false) {
      yield* profiles.reachable(profile, all)
    }
    const launch: Launch = {
      id,
      profile,
      spec,
      ttl,
      env: all,
      secrets,
      masked,
      keepsSetup,
      enter: enter(profile),
      snapshot: undefined,
      attemptId: yield* Id.nextAttemptId,
      since: 0,
      sandbox: undefined,
      place: undefined,
      repository: undefined,
      agent: undefined
    }
    return { found, launch }
  })

  /** One attempt to make the sandbox of an agent and to set it up, from a snapshot or without. */
  const attempt = <R>(
    restore: <A, E, R1>(effect: Effect.Effect<A, E, R1>) => Effect.Effect<A, E, R1>,
    launch: Launch,
    { hold }: Order<R>,
    snapshot: Entry | undefined
  ) =>
    Effect.gen(function* () {
      const begun: Array<Step> = []
      Object.assign(launch, { snapshot, sandbox: undefined, place: undefined, repository: undefined })
      const furnish = Effect.gen(function* () {
        const { id, sandbox, ttl } = launch
        if (sandbox === undefined) return yield* Effect.die("a launch without a sandbox")
        const held = yield* hold(sandbox.id)
        // A setup may take longer than the ttl. A caller that holds the sandbox keeps it alive.
        const alive = Effect.andThen(KeepAlive.keep(sandboxes, sandbox.id, ttl), Effect.never)
        const furnished = runSteps(rest, launch, begun)
        yield* held ? furnished : Effect.raceFirst(furnished, alive)
        const { agent, masked, place, since } = launch
        if (agent === undefined || place === undefined) return yield* Effect.die("a launch without an agent")
        agentSandboxes.register(id, place, held ? undefined : ttl, since, Object.values(masked))
        return agent
      })
      const work = Effect.suspend(() =>
        Effect.andThen(runSteps(create, launch, begun), restore(furnish)).pipe(
          LaunchIntents.heartbeat(intents, launch.attemptId)
        )
      )
      return yield* Effect.andThen(runSteps(intent, launch, begun), work).pipe(
        Effect.onError((cause) => undo(begun, launch, cause))
      )
    })

  return Effect.fn("Orchestrator.launch")(function* <R>(order: Order<R>) {
    const { found, launch } = yield* prepare(order)
    const recorded: ReadonlyArray<Step> = record === undefined ? [] : [record]
    const launched = Effect.uninterruptibleMask((restore) =>
      Effect.andThen(
        runSteps(recorded, launch, []),
        snapshots
          .withFallback(found, (snapshot) => attempt(restore, launch, order, snapshot))
          .pipe(Effect.onError((cause) => undo(recorded, launch, cause)))
      )
    )
    return yield* breaker.guard(launched)
  })
})
