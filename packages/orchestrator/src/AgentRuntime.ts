import {
  type AgentEvent,
  type Id,
  OrchestratorError,
  Profile,
  SandboxError,
  Template
} from "@remote-agent/domain"
import { Job, type Sandbox } from "@remote-agent/sandbox"
import { Context, Duration, Effect, FiberHandle, Layer, Stream } from "effect"
import * as EventReader from "./EventReader.ts"
import * as RunCommand from "./RunCommand.ts"

/** How the events of a query are followed. */
export interface FollowOptions {
  /** How many events are known already and left out. */
  readonly skip?: number | undefined
}

/** A sandbox in which an agent program lives. */
export interface Place {
  readonly sandbox: Sandbox.Sandbox
  readonly profile: Profile.Profile
  /** The home folder in the sandbox. */
  readonly home: string
}

/** Drives the program of a profile in a sandbox. It knows nothing of agents' records. */
export class AgentRuntime extends Context.Service<
  AgentRuntime,
  {
    /** Finds the home folder and places the profile's files. */
    readonly place: (
      sandbox: Sandbox.Sandbox,
      profile: Profile.Profile
    ) => Effect.Effect<Place, SandboxError.SandboxError>
    /** Runs the profile's set-up. Fails with `CommandFailed` at the first command that does. */
    readonly setUp: (
      place: Place
    ) => Effect.Effect<void, SandboxError.SandboxError | OrchestratorError.CommandFailed>
    /** Runs the profile's health check. Fails with `CommandFailed` when the agent cannot work. */
    readonly checkHealth: (
      place: Place
    ) => Effect.Effect<void, SandboxError.SandboxError | OrchestratorError.CommandFailed>
    /**
     * Puts a question and streams what the agent does. The last event is the only `result`; a program that ends
     * without one gets the outcome `crash`. Fails with `IdleTimedOut` and `WallTimedOut` as the profile says.
     *
     * The program is a job of the sandbox under the id of the query: it is started unless it was, and its events are
     * always the same, so whoever has the first of them goes on with `skip`. Leaving the stream leaves it running.
     */
    readonly run: (
      place: Place,
      request: RunCommand.Request,
      options?: FollowOptions
    ) => Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError>
    /** Starts the program unless it was started, and goes away. */
    readonly start: (
      place: Place,
      request: RunCommand.Request
    ) => Effect.Effect<Job.JobRef, SandboxError.SandboxError>
    /** Like `run` for a program that was started; fails with `FileNotFound` when there is none. */
    readonly follow: (
      place: Place,
      request: RunCommand.Request,
      options?: FollowOptions
    ) => Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError>
    /** Ends the program of a query with all that it started, if it runs. */
    readonly stop: (place: Place, id: Id.QueryId) => Effect.Effect<void, SandboxError.SandboxError>
  }
>()("@remote-agent/orchestrator/AgentRuntime") {}

const setUpTimeout = Duration.minutes(5)

/** How long a program may run on after its result. */
const usualCompletionGrace = Duration.seconds(10)

/** How long a program has to end by itself when it is stopped. */
const usualKillGrace = Duration.seconds(5)

const killGraceOf = ({ profile }: Place) => profile.run.killGrace ?? usualKillGrace

/** The ids of all queries begin like this, and no other job's does. */
const queryPrefix = "qry_"

/** Where the job of a query is. */
export const jobOf = ({ home }: Place, id: Id.QueryId): Job.JobRef => ({
  id,
  directory: `${home}/.remote-agent/jobs/${id}`
})

/** Places the files of a request, and says what is run. */
const prepare = Effect.fnUntraced(function* (where: Place, request: RunCommand.Request) {
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
  where: Place,
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
      const read = yield* EventReader.make(where.profile.run)
      const waiting = yield* FiberHandle.make()

      const onEvent = Effect.fnUntraced(function* (event: Job.TextEvent) {
        switch (event._tag) {
          case "Stdout":
          case "Stderr": {
            const before = read.hasResult()
            const events = yield* read(event)
            if (read.hasResult() && !before) yield* FiberHandle.run(waiting, stopOverrun(where, request.id))
            return events
          }
          case "Exited":
            return yield* read({ _tag: "Exit", exitCode: event.exitCode })
          case "Lost":
            return yield* read({ _tag: "Exit", exitCode: -1 })
          case "Killed": {
            // Read before it is asked whether there is a result: the last line may have had no end.
            const events = yield* read({ _tag: "Exit", exitCode: -1 })
            if (read.hasResult()) return [...events.slice(0, -1), overrun, ...events.slice(-1)]
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

const stopOverrun = (where: Place, id: Id.QueryId) =>
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

const attributes = (where: Place, request: RunCommand.Request) => ({
  attributes: { profile: where.profile.name, queryId: request.id }
})

/** The runtime. It holds no state. */
export const make = Effect.sync(() => {
  const command = Effect.fnUntraced(function* (place: Place, spec: Profile.ProfileCommand) {
    const values = Profile.placeholders(place.profile, place.home)
    const [program, ...rest] = spec.argv
    const { exitCode } = yield* place.sandbox.exec({
      argv: [Template.expand(program, values), ...rest.map((argument) => Template.expand(argument, values))],
      cwd: Template.expand(spec.cwd ?? "{home}", values),
      timeouts: { wall: spec.timeout ?? setUpTimeout },
      ...(spec.env === undefined ? {} : { env: Template.expandAll(spec.env, values) })
    })
    if (exitCode !== 0) return yield* new OrchestratorError.CommandFailed({ program, exitCode })
  })

  const place = Effect.fn("AgentRuntime.place")(function* (
    sandbox: Sandbox.Sandbox,
    profile: Profile.Profile
  ) {
    const home = (yield* sandbox.files.stat(".")).path
    const values = Profile.placeholders(profile, home)
    yield* sandbox.files.makeDir(values.work)
    yield* Effect.forEach(
      profile.assets,
      ({ content = "", path }) => sandbox.files.write(Template.expand(path, values), content),
      { concurrency: 4, discard: true }
    )
    return { sandbox, profile, home }
  })

  const setUp = Effect.fn("AgentRuntime.setUp")((where: Place) =>
    Effect.forEach(where.profile.setup, (spec) => command(where, spec), { discard: true })
  )

  const checkHealth = Effect.fn("AgentRuntime.checkHealth")((where: Place) =>
    command(where, where.profile.health)
  )

  const start = Effect.fn("AgentRuntime.start")((where: Place, request: RunCommand.Request) =>
    Effect.flatMap(prepare(where, request), (command) =>
      Job.start(where.sandbox, command, { id: request.id, clear: queryPrefix })
    )
  )

  const stop = Effect.fn("AgentRuntime.stop")((where: Place, id: Id.QueryId) =>
    Effect.asVoid(
      Job.kill(where.sandbox, jobOf(where, id), { grace: killGraceOf(where) }).pipe(
        Effect.catchReason("SandboxError", "FileNotFound", () => Effect.void)
      )
    )
  )

  return AgentRuntime.of({ place, setUp, checkHealth, run, start, follow, stop })
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
