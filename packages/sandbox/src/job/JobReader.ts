import { SandboxError } from "@remote-agent/domain"
import { Effect, Option, Schedule, Stream } from "effect"
import { type Cursor, JobFrames, type Said } from "./JobFrames.ts"
import * as JobScripts from "./JobScripts.ts"
import { type End, readEnd } from "./JobStatus.ts"
import type { Command, ProcessEvent, Sandbox } from "../Sandbox.ts"

/** Bytes as the job wrote them, and the place behind them. */
export interface Output {
  readonly _tag: "Stdout" | "Stderr"
  readonly bytes: Uint8Array
  /** Reading on from here continues exactly behind these bytes. */
  readonly cursor: Cursor
}

/** What reading a job tells: its output, and last how it ended. */
export type JobEvent = Output | End

/** Where the output of a job is. */
export interface Source {
  readonly directory: string
  readonly user?: string | undefined
}

/**
 * How much is read through one command of the sandbox. The SDK of E2B keeps all that a command wrote until the command
 * ends, so a longer output takes several; and what a client that died leaves running ends by itself.
 */
const turn = { bytes: 32 * 1024 * 1024, seconds: 240 } as const

/** The reader says something every five seconds. One that is silent for so long is cut off, whatever the connection says. */
const silence = "30 seconds"

/** Whether a failure says nothing of the job but only that it could not be seen for a moment. */
const transient = (error: SandboxError.SandboxError): boolean => {
  const { _tag } = error.reason
  return SandboxError.retryClass(error) !== "never" && _tag !== "QuotaExceeded" && _tag !== "Ambiguous"
}

/** Tries again what may be done twice, as long as the sandbox is only out of sight, for two minutes without progress. */
export const reattach = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "2 minutes" })
)

/** `schedule`, for failures that may pass. */
export const whileTransient = (schedule: Schedule.Schedule<unknown>) =>
  schedule.pipe(
    Schedule.setInputType<SandboxError.SandboxError>(),
    Schedule.while(({ input }) => transient(input))
  )

/** How the output of a job is asked for, from a cursor on. */
export interface Reading {
  /** What is asked first: that must tell the output from the same place on. */
  readonly first?: Command | undefined
  /** What it means that a command ended without a word of the job's. */
  readonly explain?: ((exitCode: number) => SandboxError.Reason | undefined) | undefined
}

/** How much one command reads: bytes, and seconds. */
export const turnWords = [turn.bytes, turn.seconds] as const

/** Whether it is the last event. */
export const isEnd = (event: JobEvent): event is End => event._tag !== "Stdout" && event._tag !== "Stderr"

/** Reads on from a cursor, over as many commands as it takes, to the end of the job. */
export const follow = (
  sandbox: Sandbox,
  source: Source,
  from: Cursor,
  schedule: Schedule.Schedule<unknown>,
  reading: Reading = {}
): Stream.Stream<JobEvent, SandboxError.SandboxError> => {
  let cursor = from
  let first = reading.first
  const fail = (reason: SandboxError.Reason) => SandboxError.fail("read", reason, sandbox.id)

  const once = Stream.suspend(() => {
    const frames = new JobFrames(cursor)
    let last: ReadonlyArray<string> = []

    const tell = (said: Said): Effect.Effect<ReadonlyArray<JobEvent>, SandboxError.SandboxError> => {
      if (said._tag === "Broken") return Effect.fail(fail(new SandboxError.ProviderFailed({})))
      if (said._tag === "Word") {
        last = said.words
        // From here on there is a job, which is only to be read.
        if (last[0] === "started" || last[0] === "attached") first = undefined
        return Effect.succeed([])
      }
      cursor = said.cursor
      return Effect.succeed([said])
    }

    // Only the end of the reader's command makes its last word one: leaving it before would have to kill it.
    const finish = (exitCode: number): Effect.Effect<ReadonlyArray<JobEvent>, SandboxError.SandboxError> => {
      const refused = first === undefined ? undefined : reading.explain?.(exitCode)
      if (refused !== undefined) return Effect.fail(fail(refused))
      if (last[0] === "turn") return Effect.succeed([])
      if (last[0] === "none") {
        return Effect.fail(fail(new SandboxError.FileNotFound({ path: source.directory })))
      }
      return Option.match(readEnd(last), {
        onNone: () => Effect.fail(fail(new SandboxError.Unreachable({ sent: true }))),
        onSome: (end) => Effect.succeed([end])
      })
    }

    const onEvent = (
      event: ProcessEvent
    ): Effect.Effect<ReadonlyArray<JobEvent>, SandboxError.SandboxError> => {
      if (event._tag === "Exit") return finish(event.exitCode)
      if (event._tag !== "Stdout") return Effect.succeed([])
      return Effect.map(Effect.forEach(frames.push(event.text), tell), (events) => events.flat())
    }

    const words = [source.directory, cursor.stdout, cursor.stderr, ...turnWords]
    const script = JobScripts.withWords(JobScripts.reader, words)
    const command = first ?? { script, ...(source.user === undefined ? {} : { user: source.user }) }
    return sandbox.spawn(command).pipe(
      Stream.timeoutOrElse({
        duration: silence,
        orElse: () => Stream.fail(fail(new SandboxError.Unreachable({ sent: true })))
      }),
      Stream.mapEffect(onEvent),
      Stream.flattenIterable
    )
  })

  return once.pipe(
    Stream.retry(whileTransient(schedule)),
    Stream.repeat(Schedule.forever),
    Stream.takeUntil(isEnd)
  )
}
