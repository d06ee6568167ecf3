import { type AgentEvent, type Id, OrchestratorError, Profile, type SandboxError } from "@remote-agent/domain"
import type { Job, Sandbox } from "@remote-agent/sandbox"
import { Context, Effect, Layer, Option, Schema, type Stream } from "effect"
import * as PlainOutput from "../protocols/PlainOutput.ts"
import * as QueryProcess from "./QueryProcess.ts"
import type * as QueryCommand from "./queryCommand.ts"
import * as SetUp from "./setup/SetUp.ts"

export type { AgentSandbox } from "./setup/SetUp.ts"

/** Runs the program of a profile in a sandbox. Knows no records of agents. */
export class AgentRuntime extends Context.Service<
  AgentRuntime,
  {
    /** Finds the home folder and writes the files of the profile. Fails with `AssetUnreadable` for a file of the user. */
    readonly prepareFiles: (
      sandbox: Sandbox.Sandbox,
      profile: Profile.Profile
    ) => Effect.Effect<SetUp.AgentSandbox, OrchestratorError.SetUpProblem>
    /**
     * Fetches the code of the agent, installs the tools it needs, and runs the setup commands of the profile. Steps
     * that are done already are skipped. Fails with `SourceUnavailable`, `ToolMissing`, and `CommandFailed` at the
     * first command that fails.
     */
    readonly setUp: (place: SetUp.AgentSandbox) => Effect.Effect<void, OrchestratorError.SetUpProblem>
    /** Runs the health check of the profile. Fails with `CommandFailed` when the agent cannot work. */
    readonly checkHealth: (place: SetUp.AgentSandbox) => Effect.Effect<void, OrchestratorError.SetUpProblem>
    /**
     * Updates the code, the tools and the files of the agent to what the profile says now, and checks its health.
     * Fails with `UpdateFailed`; then, and when interrupted, the agent is restored if possible.
     */
    readonly update: (place: SetUp.AgentSandbox) => Effect.Effect<Updated, OrchestratorError.UpdateFailed>
    /**
     * Runs a query and streams its events. The last event is the only `result`: a program that ends without one has
     * the outcome `crash`, and one that a time limit of the profile killed has the outcome `timeout`.
     *
     * The program is a job of the sandbox under the id of the query. It is started unless it was started before, and
     * every reader gets the same events, so a reader that has the first ones goes on with `skip`. Leaving the stream
     * leaves the program running.
     */
    readonly run: (
      place: SetUp.AgentSandbox,
      request: QueryCommand.Request,
      options?: QueryProcess.FollowOptions
    ) => Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError>
    /** Starts the program unless it was started before, and does not wait for it. */
    readonly start: (
      place: SetUp.AgentSandbox,
      request: QueryCommand.Request
    ) => Effect.Effect<Job.JobRef, SandboxError.SandboxError>
    /** Like `run` for a program that was started before. Fails with `FileNotFound` when there is none. */
    readonly follow: (
      place: SetUp.AgentSandbox,
      request: QueryCommand.Request,
      options?: QueryProcess.FollowOptions
    ) => Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError>
    /**
     * Reserves the id of a query whose program was never started, so that no process starts it from now on. Returns
     * false when it was started.
     */
    readonly reserve: (
      place: SetUp.AgentSandbox,
      id: Id.QueryId
    ) => Effect.Effect<boolean, SandboxError.SandboxError>
    /**
     * Kills the program of a query with all processes that it started, also one that resists, and tells whether none is
     * left. Takes a bounded time. Succeeds when the program does not run.
     */
    readonly stop: (
      place: SetUp.AgentSandbox,
      id: Id.QueryId,
      options: QueryProcess.StopOptions
    ) => Effect.Effect<boolean, SandboxError.SandboxError>
  }
>()("@remote-agent/orchestrator/AgentRuntime") {}

/** The commits before and after an update. Absent for an agent whose code comes from no repository. */
export interface Updated {
  readonly from: string | undefined
  readonly to: string | undefined
}

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

const checkHealth = Effect.fn("AgentRuntime.checkHealth")(function* (where: SetUp.AgentSandbox) {
  const { health, healthPath } = where.profile
  const printed = yield* SetUp.command(where, health)
  if (healthPath === undefined) return
  const last = decodeJson(printed.trimEnd().split("\n").at(-1))
  const well = Option.exists(last, (document) => PlainOutput.at(healthPath, document) === true)
  // The check exited with 0, but its output does not say that the agent is healthy.
  if (!well) return yield* new OrchestratorError.CommandFailed({ program: health.argv[0], exitCode: 0 })
})

const updateFailed = (restored: boolean) => (cause: OrchestratorError.SetUpProblem) =>
  new OrchestratorError.UpdateFailed({ cause, restored })

/** The runtime. It has no state of its own. */
export const make = Effect.sync(() => {
  const prepareFiles = Effect.fn("AgentRuntime.prepareFiles")(function* (
    sandbox: Sandbox.Sandbox,
    profile: Profile.Profile
  ) {
    // The home folder is not known yet, and relative paths start there.
    const values = Profile.placeholders(profile, ".")
    const home = yield* sandbox.files.prepare({
      folders: [values.work],
      files: yield* SetUp.assetsOf(profile, values)
    })
    return { sandbox, profile, home }
  })

  const setUp = Effect.fn("AgentRuntime.setUp")(function* (where: SetUp.AgentSandbox) {
    yield* SetUp.checkout(where, false)
    yield* SetUp.tools(where)
    yield* SetUp.commands(where, where.profile.setup)
  })

  const bringUpToDate = Effect.fnUntraced(function* (where: SetUp.AgentSandbox) {
    const { profile } = where
    yield* SetUp.prepareAssets(where)
    yield* SetUp.checkout(where, true)
    yield* SetUp.tools(where)
    yield* SetUp.commands(where, profile.update ?? profile.setup)
    yield* checkHealth(where)
  })

  const goBack = (where: SetUp.AgentSandbox, before: SetUp.Before) =>
    SetUp.restore(where, before).pipe(
      Effect.andThen(checkHealth(where)),
      Effect.as(true),
      Effect.catch((error) =>
        Effect.as(Effect.logError("An agent could not be restored after a failed update", error), false)
      )
    )

  const update = Effect.fn("AgentRuntime.update")(function* (where: SetUp.AgentSandbox) {
    const before = yield* Effect.mapError(SetUp.remember(where), updateFailed(true))
    yield* bringUpToDate(where).pipe(
      Effect.onInterrupt(() => goBack(where, before)),
      Effect.catch((cause) =>
        Effect.flatMap(goBack(where, before), (restored) => Effect.fail(updateFailed(restored)(cause)))
      )
    )
    const to = yield* Effect.mapError(SetUp.commitOf(where), updateFailed(false))
    return { from: before.commit, to }
  })

  const { follow, reserve, run, start, stop } = QueryProcess
  return AgentRuntime.of({ prepareFiles, setUp, checkHealth, update, run, start, follow, reserve, stop })
})

/** The runtime. */
export const layer: Layer.Layer<AgentRuntime> = Layer.effect(AgentRuntime, make)
