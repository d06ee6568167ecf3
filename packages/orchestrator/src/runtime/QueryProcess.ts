import { type AgentEvent, type Id, SandboxError } from "@remote-agent/domain"
import { Job } from "@remote-agent/sandbox"
import { Clock, Duration, Effect, FiberHandle, type Redacted, Stream } from "effect"
import * as EventReader from "../protocols/EventReader.ts"
import { HostBounds } from "./HostBounds.ts"
import { type ProgramLimits, programResult } from "./programResult.ts"
import * as QueryCommand from "./queryCommand.ts"
import type { AgentSandbox } from "./setup/SetUp.ts"

/** How the events of a query are read. */
export interface FollowOptions {
  /** How many events are known already and skipped. */
  readonly skip?: number | undefined
  /** What is redacted from them. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
  /** When the query began, in milliseconds since 1970. Default: now. */
  readonly startedAt?: number | undefined
  /** See `StopOptions`. Default: false. */
  readonly isolated?: boolean | undefined
}

/** How long a program may run on after its result, unless its profile says otherwise. */
const usualCompletionGrace = Duration.seconds(10)

/** How long a program has to end by itself after SIGTERM, unless its profile says otherwise. */
const usualKillGrace = Duration.seconds(5)

const killGraceOf = ({ profile }: AgentSandbox) => profile.run.killGrace ?? usualKillGrace

/** The prefix of the ids of queries. No other job has it. */
const queryPrefix = "qry_"

/** The job of a query. */
export const jobOf = ({ home }: AgentSandbox, id: Id.QueryId): Job.JobRef => ({
  id,
  directory: `${home}/.remote-agent/jobs/${id}`
})

/** Writes the files of a request and returns the command. */
const prepare = Effect.fnUntraced(function* (where: AgentSandbox, request: QueryCommand.Request) {
  const { files, ...command } = QueryCommand.make(where.profile, request, where.home)
  yield* Effect.forEach(files, ({ content, path }) => where.sandbox.files.write(path, content), {
    discard: true
  })
  return command
})

const completionGraceOf = ({ profile }: AgentSandbox) => profile.run.completionGrace ?? usualCompletionGrace

/** Cuts text behind every line break, and says how many bytes of it follow each piece. */
const pieces = (text: string): ReadonlyArray<readonly [piece: string, following: number]> => {
  let following = Buffer.byteLength(text)
  return text.split(/(?<=\n)/).map((piece) => {
    following -= Buffer.byteLength(piece)
    return [piece, following] as const
  })
}

/** Fails with `IdleTimedOut` or `WallTimedOut` when the sandbox does not enforce a limit itself. */
const withBounds = (
  output: Stream.Stream<Job.JobEvent, SandboxError.SandboxError>,
  where: AgentSandbox,
  { idle, wall }: ProgramLimits
) =>
  Stream.unwrap(
    Effect.map(HostBounds, (bounds) => {
      const over = (
        Reason: typeof SandboxError.IdleTimedOut | typeof SandboxError.WallTimedOut,
        after: Duration.Duration
      ) => SandboxError.fail("read", new Reason({ after }), where.sandbox.id)
      const longest = Duration.sum(Duration.sum(wall, killGraceOf(where)), bounds.wall)
      const tooLong = Effect.delay(Effect.fail(over(SandboxError.WallTimedOut, wall)), longest)
      return output.pipe(
        Stream.timeoutOrElse({
          duration: Duration.sum(Duration.sum(idle, killGraceOf(where)), bounds.idle),
          orElse: () => Stream.fail(over(SandboxError.IdleTimedOut, idle))
        }),
        Stream.interruptWhen(tooLong)
      )
    })
  )

/** The events of a job. They follow from its output and its exit alone, so every reader gets the same. */
const eventsOf = (
  where: AgentSandbox,
  request: QueryCommand.Request,
  output: Stream.Stream<Job.JobEvent, SandboxError.SandboxError>,
  { isolated = false, secrets, skip = 0, startedAt }: FollowOptions
): Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError> => {
  const { idleTimeout, wallTimeout } = where.profile.run
  const limits: ProgramLimits = {
    idle: idleTimeout,
    wall: request.wallTimeout ?? wallTimeout,
    completionGrace: completionGraceOf(where)
  }

  return Stream.unwrap(
    Effect.gen(function* () {
      const { answered, concluded, read, results, retrying } = yield* EventReader.make({
        ...where.profile.run,
        secrets
      })
      const waiting = yield* FiberHandle.make()
      const began = startedAt ?? (yield* Clock.currentTimeMillis)
      /** Where in the output each result ends. */
      const ends: Array<number> = []
      let written = 0

      const readOutput = Effect.fnUntraced(function* ({ _tag, cursor, text }: Job.TextOutput) {
        const before = concluded()
        const events: Array<AgentEvent.AgentEvent> = []
        for (const [piece, following] of pieces(text)) {
          events.push(...(yield* read({ _tag, text: piece })))
          while (ends.length < results()) ends.push(cursor.stdout - following)
        }
        written = cursor.stdout
        // An agent that goes on after it seemed to be done is let go on.
        if (!concluded()) yield* FiberHandle.clear(waiting)
        else if (!before) yield* FiberHandle.run(waiting, stopOverrun(where, request.id, began, isolated))
        return events
      })

      /** How many results the program gave before it was told to end. */
      const countedOf = (exit: Job.End): number => {
        if (exit._tag !== "Killed" || exit.before === undefined) return Infinity
        const { stdout } = exit.before
        return written <= stdout ? Infinity : ends.filter((end) => end <= stdout).length
      }

      const readExit = Effect.fnUntraced(function* (exit: Job.End) {
        const counted = countedOf(exit)
        const exitCode = exit._tag === "Exited" ? exit.exitCode : -1
        const events = yield* read({ _tag: "Exit", exitCode }, counted)
        const result = events.at(-1)
        if (result?.type !== "result") return events
        const concludes = answered(counted)
        return [
          ...events.slice(0, -1),
          ...programResult({ exit, result, concluded: concludes, retrying: retrying() }, limits)
        ]
      })

      return Stream.flattenIterable(
        Stream.mapEffect(Job.text(withBounds(output, where, limits)), (event) =>
          "text" in event ? readOutput(event) : readExit(event)
        )
      )
    })
  ).pipe(Stream.drop(skip))
}

const stopOverrun = (where: AgentSandbox, id: Id.QueryId, began: number, isolated: boolean) =>
  stop(where, id, { startedAt: began, isolated }).pipe(
    Effect.delay(completionGraceOf(where)),
    Effect.catch((error) => Effect.logWarning("An agent that has answered could not be stopped", error))
  )

type Events = Stream.Stream<AgentEvent.AgentEvent, SandboxError.SandboxError>

/** The events of a query, whose program is started unless it was started before. See `AgentRuntime.run`. */
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

/** The events of a query whose program was started before. Fails with `FileNotFound` when there is none. */
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

/** Starts the program of a query unless it was started before, and does not wait for it. */
export const start = Effect.fn("AgentRuntime.start")((where: AgentSandbox, request: QueryCommand.Request) =>
  Effect.flatMap(prepare(where, request), (command) =>
    Job.start(where.sandbox, command, { id: request.id, clear: queryPrefix })
  )
)

/**
 * Reserves the id of a program that was never started, so that no process starts it from now on. Returns false when it
 * was started.
 */
export const reserve = Effect.fn("AgentRuntime.reserve")((where: AgentSandbox, id: Id.QueryId) =>
  Job.reserve(where.sandbox, jobOf(where, id))
)

/** How the program of a query is killed. */
export interface StopOptions {
  /** When the query began, in milliseconds since 1970. Older processes are not of its program. */
  readonly startedAt: number
  /** Whether all processes that a sandbox shows are its own, so that those of the program are found from outside. */
  readonly isolated: boolean
}

/**
 * Kills the program of a query with all processes that it started, and tells whether none is left. Takes a bounded time.
 *
 * The supervisor inside the sandbox is asked first, and lets the program end. Its answer is not relied on.
 */
export const stop = Effect.fn("AgentRuntime.stop")(function* (
  where: AgentSandbox,
  id: Id.QueryId,
  { isolated, startedAt }: StopOptions
) {
  const { stop: limit } = yield* HostBounds
  const grace = killGraceOf(where)
  const asked = yield* Job.kill(where.sandbox, jobOf(where, id), { grace }).pipe(
    Effect.as(true),
    Effect.catchReason("SandboxError", "FileNotFound", () => Effect.succeed(true)),
    Effect.timeoutOrElse({ duration: Duration.sum(grace, limit), orElse: () => Effect.succeed(false) }),
    // The script may have been broken by the program. A sandbox that fails does so again below.
    Effect.catchReason("SandboxError", "ProviderFailed", () => Effect.succeed(false))
  )
  if (!isolated) return asked
  const age = Duration.millis(Math.max(0, (yield* Clock.currentTimeMillis) - startedAt))
  return yield* Job.forceKill(where.sandbox, { age, within: limit })
})
