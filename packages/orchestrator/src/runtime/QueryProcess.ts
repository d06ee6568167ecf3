import { type AgentEvent, type Id, SandboxError } from "@remote-agent/domain"
import { Job } from "@remote-agent/sandbox"
import { Duration, Effect, FiberHandle, type Redacted, Stream } from "effect"
import * as EventReader from "../protocols/EventReader.ts"
import * as QueryCommand from "./queryCommand.ts"
import type { AgentSandbox } from "./setup/SetUp.ts"

/** How the events of a query are followed. */
export interface FollowOptions {
  /** How many events are known already and left out. */
  readonly skip?: number | undefined
  /** What is struck out of them. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
}

/** How long a program may run on after its result. */
const usualCompletionGrace = Duration.seconds(10)

/** How long a program has to end by itself when it is stopped. */
const usualKillGrace = Duration.seconds(5)

const killGraceOf = ({ profile }: AgentSandbox) => profile.run.killGrace ?? usualKillGrace

/** The ids of all queries begin like this, and no other job's does. */
const queryPrefix = "qry_"

/** Where the job of a query is. */
export const jobOf = ({ home }: AgentSandbox, id: Id.QueryId): Job.JobRef => ({
  id,
  directory: `${home}/.remote-agent/jobs/${id}`
})

/** Places the files of a request, and says what is run. */
const prepare = Effect.fnUntraced(function* (where: AgentSandbox, request: QueryCommand.Request) {
  const { files, ...command } = QueryCommand.make(where.profile, request, where.home)
  yield* Effect.forEach(files, ({ content, path }) => where.sandbox.files.write(path, content), {
    discard: true
  })
  return command
})

const completionGraceOf = ({ profile }: AgentSandbox) => profile.run.completionGrace ?? usualCompletionGrace

const overrun = (where: AgentSandbox): AgentEvent.AgentEvent => ({
  type: "notice",
  text: `The agent had given its result, did not end within ${Duration.format(completionGraceOf(where))}, and was stopped.`,
  limit: "completion"
})

/** The events of a job. They follow from its output and its end alone, so they are the same for whoever reads. */
const eventsOf = (
  where: AgentSandbox,
  request: QueryCommand.Request,
  output: Stream.Stream<Job.JobEvent, SandboxError.SandboxError>,
  { secrets, skip = 0 }: FollowOptions
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
      const { concluded, read } = yield* EventReader.make({ ...where.profile.run, secrets })
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
            if (concluded()) return [...events.slice(0, -1), overrun(where), ...events.slice(-1)]
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

const stopOverrun = (where: AgentSandbox, id: Id.QueryId) =>
  Job.kill(where.sandbox, jobOf(where, id), { grace: killGraceOf(where) }).pipe(
    Effect.delay(completionGraceOf(where)),
    Effect.catch((error) => Effect.logWarning("An agent that has answered could not be stopped", error))
  )

type Events = Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError>

/**
 * The events of a query, whose program is started unless it was. See `AgentRuntime.run`.
 */
export const run = (
  where: AgentSandbox,
  request: QueryCommand.Request,
  options: FollowOptions = {}
): Events =>
  Stream.unwrap(
    Effect.map(prepare(where, request), (command) => {
      const job = Job.run(where.sandbox, command, { id: request.id, clear: queryPrefix })
      return eventsOf(where, request, job, options)
    })
  ).pipe(Stream.withSpan("AgentRuntime.run", attributes(where, request)))

/** The events of a query whose program was started; fails with `FileNotFound` when there is none. */
export const follow = (
  where: AgentSandbox,
  request: QueryCommand.Request,
  options: FollowOptions = {}
): Events =>
  eventsOf(where, request, Job.read(where.sandbox, jobOf(where, request.id)), options).pipe(
    Stream.withSpan("AgentRuntime.follow", attributes(where, request))
  )

const attributes = (where: AgentSandbox, request: QueryCommand.Request) => ({
  attributes: { profile: where.profile.name, queryId: request.id }
})

/** Starts the program of a query unless it was started, and goes away. */
export const start = Effect.fn("AgentRuntime.start")((where: AgentSandbox, request: QueryCommand.Request) =>
  Effect.flatMap(prepare(where, request), (command) =>
    Job.start(where.sandbox, command, { id: request.id, clear: queryPrefix })
  )
)

/** Ends the program of a query with all that it started, if it runs. */
export const stop = Effect.fn("AgentRuntime.stop")((where: AgentSandbox, id: Id.QueryId) =>
  Effect.asVoid(
    Job.kill(where.sandbox, jobOf(where, id), { grace: killGraceOf(where) }).pipe(
      Effect.catchReason("SandboxError", "FileNotFound", () => Effect.void)
    )
  )
)

/** A program that we stop is killed and says nothing more: one that calls itself aborted ran into the limit it was given. */
const stoppedInTime = (event: AgentEvent.AgentEvent, wall: Duration.Duration): AgentEvent.AgentEvent =>
  event.type === "result" && event.outcome === "aborted"
    ? {
        ...event,
        outcome: "timeout",
        limit: "wall",
        error: `The agent was not done within ${Duration.format(wall)} and stopped. Allow it more time.`
      }
    : event
