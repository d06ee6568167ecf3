import { type AgentEvent, type Id, OrchestratorError, Profile, SandboxError } from "@remote-agent/domain"
import { Job, type Sandbox } from "@remote-agent/sandbox"
import { Context, Duration, Effect, FiberHandle, Layer, Option, Schema, Stream } from "effect"
import * as EventReader from "./EventReader.ts"
import * as PlainOutput from "./PlainOutput.ts"
import * as RunCommand from "./RunCommand.ts"
import * as SetUp from "./SetUp.ts"

export type { Place } from "./SetUp.ts"

/** How the events of a query are followed. */
export interface FollowOptions {
  /** How many events are known already and left out. */
  readonly skip?: number | undefined
}

/** Drives the program of a profile in a sandbox. It knows nothing of agents' records. */
export class AgentRuntime extends Context.Service<
  AgentRuntime,
  {
    /** Finds the home folder and places the profile's files. Fails with `AssetUnreadable` for one of the user's own. */
    readonly place: (
      sandbox: Sandbox.Sandbox,
      profile: Profile.Profile
    ) => Effect.Effect<SetUp.Place, OrchestratorError.SetUpProblem>
    /**
     * Fetches the code of the agent, sees to the programs it needs, and runs the profile's set-up. What is done
     * already is not done again. Fails with `SourceUnavailable`, `ToolMissing`, and `CommandFailed` at the first
     * command that does.
     */
    readonly setUp: (place: SetUp.Place) => Effect.Effect<void, OrchestratorError.SetUpProblem>
    /** Runs the profile's health check. Fails with `CommandFailed` when the agent cannot work. */
    readonly checkHealth: (place: SetUp.Place) => Effect.Effect<void, OrchestratorError.SetUpProblem>
    /**
     * Brings the code, the programs and the files of the agent to what the profile says now, and checks its health.
     * Fails with `UpdateFailed`; then, and when interrupted, the agent is as it was before, if that can be.
     */
    readonly update: (place: SetUp.Place) => Effect.Effect<Updated, OrchestratorError.UpdateFailed>
    /**
     * Puts a question and streams what the agent does. The last event is the only `result`; a program that ends
     * without one gets the outcome `crash`. Fails with `IdleTimedOut` and `WallTimedOut` as the profile says.
     *
     * The program is a job of the sandbox under the id of the query: it is started unless it was, and its events are
     * always the same, so whoever has the first of them goes on with `skip`. Leaving the stream leaves it running.
     */
    readonly run: (
      place: SetUp.Place,
      request: RunCommand.Request,
      options?: FollowOptions
    ) => Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError>
    /** Starts the program unless it was started, and goes away. */
    readonly start: (
      place: SetUp.Place,
      request: RunCommand.Request
    ) => Effect.Effect<Job.JobRef, SandboxError.SandboxError>
    /** Like `run` for a program that was started; fails with `FileNotFound` when there is none. */
    readonly follow: (
      place: SetUp.Place,
      request: RunCommand.Request,
      options?: FollowOptions
    ) => Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError>
    /** Ends the program of a query with all that it started, if it runs. */
    readonly stop: (place: SetUp.Place, id: Id.QueryId) => Effect.Effect<void, SandboxError.SandboxError>
  }
>()("@remote-agent/orchestrator/AgentRuntime") {}

/** The commits before and after an update, of an agent whose code comes from a repository. */
export interface Updated {
  readonly from: string | undefined
  readonly to: string | undefined
}

/** How long a program may run on after its result. */
const usualCompletionGrace = Duration.seconds(10)

/** How long a program has to end by itself when it is stopped. */
const usualKillGrace = Duration.seconds(5)

const killGraceOf = ({ profile }: SetUp.Place) => profile.run.killGrace ?? usualKillGrace

/** The ids of all queries begin like this, and no other job's does. */
const queryPrefix = "qry_"

/** Where the job of a query is. */
export const jobOf = ({ home }: SetUp.Place, id: Id.QueryId): Job.JobRef => ({
  id,
  directory: `${home}/.remote-agent/jobs/${id}`
})

/** Places the files of a request, and says what is run. */
const prepare = Effect.fnUntraced(function* (where: SetUp.Place, request: RunCommand.Request) {
  const { files, ...command } = RunCommand.make(where.profile, request, where.home)
  yield* Effect.forEach(files, ({ content, path }) => where.sandbox.files.write(path, content), {
    discard: true
  })
  return command
})

const overrun: AgentEvent.AgentEvent = {
  type: "notice",
  text: "The agent had given its result, did not end, and was stopped."
}

/** The events of a job. They follow from its output and its end alone, so they are the same for whoever reads. */
const eventsOf = (
  where: SetUp.Place,
  request: RunCommand.Request,
  output: Stream.Stream<Job.JobEvent, SandboxError.SandboxError>,
  { skip = 0 }: FollowOptions
): Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError> => {
  const { idleTimeout, wallTimeout } = where.profile.run
  const wall = request.wallTimeout ?? wallTimeout
  const tooLong = (by: "idle" | "wall") =>
    SandboxError.fail(
      "exec",
      by === "idle"
        ? new SandboxError.IdleTimedOut({ after: idleTimeout })
        : new SandboxError.WallTimedOut({ after: wall }),
      where.sandbox.id
    )

  return Stream.unwrap(
    Effect.gen(function* () {
      const { concluded, read } = yield* EventReader.make(where.profile.run)
      const waiting = yield* FiberHandle.make()

      const onEvent = Effect.fnUntraced(function* (event: Job.TextEvent) {
        switch (event._tag) {
          case "Stdout":
          case "Stderr": {
            const before = concluded()
            const events = yield* read(event)
            if (concluded() && !before) yield* FiberHandle.run(waiting, stopOverrun(where, request.id))
            return events
          }
          case "Exited":
            return yield* read({ _tag: "Exit", exitCode: event.exitCode })
          case "Lost":
            return yield* read({ _tag: "Exit", exitCode: -1 })
          case "Killed": {
            // Read before it is asked whether there is a result: the last line may have had no end.
            const events = yield* read({ _tag: "Exit", exitCode: -1 })
            if (concluded()) return [...events.slice(0, -1), overrun, ...events.slice(-1)]
            return event.by === "request" ? events : yield* tooLong(event.by)
          }
        }
      })

      return Stream.flattenIterable(Stream.mapEffect(Job.text(output), onEvent))
    })
  ).pipe(
    Stream.map((event) => stoppedInTime(event, wall)),
    Stream.drop(skip)
  )
}

const stopOverrun = (where: SetUp.Place, id: Id.QueryId) =>
  Job.kill(where.sandbox, jobOf(where, id), { grace: killGraceOf(where) }).pipe(
    Effect.delay(where.profile.run.completionGrace ?? usualCompletionGrace),
    Effect.catch((error) => Effect.logWarning("An agent that has answered could not be stopped", error))
  )

const run: AgentRuntime["Service"]["run"] = (where, request, options = {}) =>
  Stream.unwrap(
    Effect.map(prepare(where, request), (command) => {
      const job = Job.run(where.sandbox, command, { id: request.id, clear: queryPrefix })
      return eventsOf(where, request, job, options)
    })
  ).pipe(Stream.withSpan("AgentRuntime.run", attributes(where, request)))

const follow: AgentRuntime["Service"]["follow"] = (where, request, options = {}) =>
  eventsOf(where, request, Job.read(where.sandbox, jobOf(where, request.id)), options).pipe(
    Stream.withSpan("AgentRuntime.follow", attributes(where, request))
  )

const attributes = (where: SetUp.Place, request: RunCommand.Request) => ({
  attributes: { profile: where.profile.name, queryId: request.id }
})

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

const checkHealth = Effect.fn("AgentRuntime.checkHealth")(function* (where: SetUp.Place) {
  const { health, healthPath } = where.profile
  const printed = yield* SetUp.command(where, health)
  if (healthPath === undefined) return
  const last = decodeJson(printed.trimEnd().split("\n").at(-1))
  const well = Option.exists(last, (document) => PlainOutput.at(healthPath, document) === true)
  // A check that exits with 0 and does not say that all is well.
  if (!well) return yield* new OrchestratorError.CommandFailed({ program: health.argv[0], exitCode: 0 })
})

const updateFailed = (restored: boolean) => (cause: OrchestratorError.SetUpProblem) =>
  new OrchestratorError.UpdateFailed({ cause, restored })

/** The runtime. It holds no state. */
export const make = Effect.sync(() => {
  const place = Effect.fn("AgentRuntime.place")(function* (
    sandbox: Sandbox.Sandbox,
    profile: Profile.Profile
  ) {
    const home = (yield* sandbox.files.stat(".")).path
    const where = { sandbox, profile, home }
    yield* sandbox.files.makeDir(Profile.placeholders(profile, home).work)
    yield* SetUp.placeAssets(where)
    return where
  })

  const setUp = Effect.fn("AgentRuntime.setUp")(function* (where: SetUp.Place) {
    yield* SetUp.checkout(where, false)
    yield* SetUp.tools(where)
    yield* SetUp.commands(where, where.profile.setup)
  })

  const bringUpToDate = Effect.fnUntraced(function* (where: SetUp.Place) {
    const { profile } = where
    yield* SetUp.placeAssets(where)
    yield* SetUp.checkout(where, true)
    yield* SetUp.tools(where)
    yield* SetUp.commands(where, profile.update ?? profile.setup)
    yield* checkHealth(where)
  })

  const start = Effect.fn("AgentRuntime.start")((where: SetUp.Place, request: RunCommand.Request) =>
    Effect.flatMap(prepare(where, request), (command) =>
      Job.start(where.sandbox, command, { id: request.id, clear: queryPrefix })
    )
  )

  const stop = Effect.fn("AgentRuntime.stop")((where: SetUp.Place, id: Id.QueryId) =>
    Effect.asVoid(
      Job.kill(where.sandbox, jobOf(where, id), { grace: killGraceOf(where) }).pipe(
        Effect.catchReason("SandboxError", "FileNotFound", () => Effect.void)
      )
    )
  )

  const goBack = (where: SetUp.Place, before: SetUp.Before) =>
    SetUp.restore(where, before).pipe(
      Effect.andThen(checkHealth(where)),
      Effect.as(true),
      Effect.catch((error) =>
        Effect.as(Effect.logError("An agent could not be restored after a failed update", error), false)
      )
    )

  const update = Effect.fn("AgentRuntime.update")(function* (where: SetUp.Place) {
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

  return AgentRuntime.of({ place, setUp, checkHealth, update, run, start, follow, stop })
})

/** A program that we stop is killed and says nothing more: one that calls itself aborted ran into the limit it was given. */
const stoppedInTime = (event: AgentEvent.AgentEvent, wall: Duration.Duration): AgentEvent.AgentEvent =>
  event.type === "result" && event.outcome === "aborted"
    ? {
        ...event,
        outcome: "timeout",
        error: `The agent was not done within ${Duration.format(wall)} and stopped. Allow it more time.`
      }
    : event

/** The runtime. */
export const layer: Layer.Layer<AgentRuntime> = Layer.effect(AgentRuntime, make)
