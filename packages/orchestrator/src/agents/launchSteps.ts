import {
  Agent,
  Id,
  LaunchIntent,
  type OrchestratorError,
  type Profile,
  Redactor,
  SandboxError,
  SandboxLabels,
  StateStoreError
} from "@remote-agent/domain"
import type { GitWorkspace } from "@remote-agent/github"
import type { Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Cause, Clock, DateTime, type Duration, Effect, Option, Redacted } from "effect"
import type { AgentRuntime } from "../runtime/AgentRuntime.ts"
import type { AgentSandbox } from "../runtime/setup/SetUp.ts"
import type { SetupSnapshots } from "../runtime/setup/SetupSnapshots.ts"
import * as AgentStore from "../state/AgentStore.ts"
import type { LaunchIntents } from "../state/LaunchIntents.ts"
import type { Entry } from "../state/SnapshotIndex.ts"
import type { StateStore } from "../state/StateStore.ts"
import * as AgentRepository from "./AgentRepository.ts"
import type { LaunchSpec } from "./AgentSpec.ts"

type Failure = OrchestratorError.OrchestratorError
type Problem = OrchestratorError.LaunchFailed["cause"]

/** A launch under way. Its steps fill in what comes after `attemptId`, and an attempt starts with none of it. */
export interface Launch {
  readonly id: Id.AgentId
  readonly profile: Profile.Profile
  readonly spec: LaunchSpec & { readonly onExpiry: "kill" | "pause" }
  readonly ttl: Duration.Duration
  /** The environment of the sandbox. */
  readonly env: NonNullable<LaunchSpec["env"]>
  /** What no snapshot may hold. */
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  /** What is redacted from the output of the agent, by the variables of its sandbox. */
  readonly masked: Readonly<Record<string, Redacted.Redacted>>
  /** Whether the setup may be kept for later launches. */
  readonly keepsSetup: boolean
  /** Records the agent as launching. */
  readonly enter: Effect.Effect<unknown, StateStoreError.StateStoreError>
  /** The snapshot that the sandbox is made from. */
  snapshot: Entry | undefined
  attemptId: Id.AttemptId
  /** When the sandbox was asked for, in milliseconds since 1970. */
  since: number
  sandbox: Sandbox.Sandbox | undefined
  place: AgentSandbox | undefined
  repository: Agent.Repository | undefined
  agent: Agent.Agent | undefined
}

/** One step of a launch. */
export interface Step {
  readonly stage: OrchestratorError.LaunchStage
  /** Whether there is nothing to do in this launch. */
  readonly skip?: (launch: Launch) => boolean
  readonly run: (launch: Launch) => Effect.Effect<unknown, Problem | Failure>
  /**
   * Undoes the step, which has begun and may have failed. Steps are undone last to first; `false` says that something
   * may be left, and that what came before has to stay so that it is found.
   */
  readonly undo?: (launch: Launch, cause: Cause.Cause<Failure>) => Effect.Effect<boolean>
}

/** The services that the steps use. */
export interface Services {
  readonly owner: string
  readonly git: Option.Option<GitWorkspace.GitWorkspace["Service"]>
  readonly intents: LaunchIntents["Service"]
  readonly runtime: AgentRuntime["Service"]
  readonly sandboxes: Sandboxes.Sandboxes["Service"]
  readonly snapshots: SetupSnapshots
  readonly store: StateStore["Service"]
  readonly agentStore: AgentStore.AgentStore["Service"]
}

const present = <A>(value: A | undefined): Effect.Effect<A> =>
  value === undefined ? Effect.die("a launch ran its steps in another order") : Effect.succeed(value)

const reasonOf = (cause: Cause.Cause<Failure>) =>
  Option.map(Cause.findErrorOption(cause), ({ reason }) => reason)

/** Whether the provider may have made a sandbox though it did not say so. */
const isAmbiguous = (cause: Cause.Cause<Failure>): boolean =>
  Option.exists(
    reasonOf(cause),
    (reason) =>
      reason._tag === "LaunchFailed" &&
      reason.cause._tag === "SandboxError" &&
      SandboxError.retryClass(reason.cause) === "ambiguous"
  )

/**
 * The steps of a launch, in the order in which they run. This list is the only place that has that order: the stages
 * that a caller hears of, and what is undone when one fails, follow from it.
 */
export const make = (services: Services): ReadonlyArray<Step> => {
  const { git, intents, owner, runtime, sandboxes, snapshots, store } = services
  const { change, move, unbind } = services.agentStore

  /** Only once it is certain what became of the sandbox. An intent that stays open is closed by the reaper. */
  const closeIntent = ({ attemptId }: Launch) =>
    Effect.catch(intents.close(attemptId), (error) =>
      Effect.logWarning("A launch intent could not be closed", error)
    )

  const record: Step = {
    stage: "record",
    run: ({ enter }) => enter,
    undo: ({ id }, cause) =>
      Effect.gen(function* () {
        const { status } = yield* store.getAgent(id)
        const detail = Option.match(Cause.findErrorOption(cause), {
          onNone: () => "The launch was interrupted.",
          onSome: (error) => error.message
        })
        // A launch that is interrupted in its last step may have made the agent active already.
        yield* move(id, status === "active" ? "broke" : "launchFailed", detail)
        return true
      }).pipe(
        Effect.catch((error) =>
          Effect.as(Effect.logError("The end of a failed launch could not be recorded", error), false)
        )
      )
  }

  const intent: Step = {
    stage: "intent",
    run: Effect.fnUntraced(function* (launch) {
      launch.attemptId = yield* Id.nextAttemptId
      const { attemptId, id } = launch
      const at = yield* DateTime.now
      const { provider } = sandboxes
      yield* intents.open(new LaunchIntent.LaunchIntent({ attemptId, agentId: id, owner, provider, at }))
    }),
    undo: (launch) => Effect.as(closeIntent(launch), true)
  }

  const create: Step = {
    stage: "create",
    run: Effect.fnUntraced(function* (launch) {
      const { attemptId, env, id, profile, snapshot, spec, ttl } = launch
      launch.since = yield* Clock.currentTimeMillis
      launch.sandbox = yield* sandboxes.launch({
        ttl,
        template: snapshot?.template,
        onExpiry: spec.onExpiry,
        attemptId,
        metadata: {
          [SandboxLabels.ownerKey]: owner,
          [SandboxLabels.agentKey]: id,
          [SandboxLabels.profileKey]: profile.name
        },
        env,
        allowInternetAccess: spec.allowInternetAccess
      })
    }),
    undo: ({ id, sandbox, spec }, cause) => {
      if (sandbox === undefined) return Effect.succeed(!isAmbiguous(cause))
      if (spec.keepFailed === true) return Effect.succeed(true)
      return sandboxes.terminate(sandbox.id).pipe(
        Effect.andThen(unbind(id)),
        Effect.as(true),
        Effect.catch((error) =>
          Effect.as(Effect.logError("A launch failed, and its sandbox may still be running", error), false)
        ),
        Effect.annotateLogs({ sandboxId: sandbox.id })
      )
    }
  }

  const assets: Step = {
    stage: "assets",
    run: Effect.fnUntraced(function* (launch) {
      const place = yield* runtime.prepareFiles(yield* present(launch.sandbox), launch.profile)
      const hidden = [...launch.secrets, ...Object.values(launch.masked)].map(Redacted.value)
      launch.place = { ...place, redact: Redactor.make(hidden) }
    })
  }

  /** Binds the agent to its sandbox, unless its launch was given up meanwhile. */
  const bind: Step = {
    stage: "bind",
    run: Effect.fnUntraced(function* ({ id, place, sandbox }) {
      const binding = new Agent.Binding({
        sandboxId: (yield* present(sandbox)).id,
        provider: sandboxes.provider,
        home: (yield* present(place)).home
      })
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
  }

  const setup: Step = {
    stage: "setup",
    skip: ({ snapshot }) => snapshot !== undefined,
    run: ({ place }) => Effect.flatMap(present(place), runtime.setUp)
  }

  const health: Step = {
    stage: "health",
    run: Effect.fnUntraced(function* ({ keepsSetup, masked, place: here, secrets, snapshot }) {
      const place = yield* present(here)
      yield* runtime.checkHealth(place)
      // Before the repository is there: a snapshot is the same for every agent of the profile.
      if (snapshot !== undefined) return yield* snapshots.touch(snapshot)
      if (keepsSetup) yield* snapshots.store(place, [...secrets, ...Object.values(masked)])
    })
  }

  const repository: Step = {
    stage: "repository",
    skip: ({ spec }) => spec.repository === undefined,
    run: Effect.fnUntraced(function* (launch) {
      const wanted = yield* present(launch.spec.repository)
      const server = yield* AgentRepository.required("launch", git, wanted)
      launch.repository = yield* AgentRepository.clone(server, yield* present(launch.place), wanted)
    })
  }

  const activate: Step = {
    stage: "activate",
    run: Effect.fnUntraced(function* (launch) {
      const names = Object.keys(launch.masked)
      // The store refuses this when the agent was terminated meanwhile.
      launch.agent = yield* change(
        launch.id,
        (was) =>
          new Agent.Agent({
            ...was,
            status: "active",
            ...(launch.repository === undefined ? {} : { repository: launch.repository }),
            ...(names.length === 0 ? {} : { secretVariables: names })
          })
      )
      yield* closeIntent(launch)
    })
  }

  return [record, intent, create, assets, bind, setup, health, repository, activate]
}
