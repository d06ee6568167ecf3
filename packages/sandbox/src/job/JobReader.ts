/** Reads the output of a job through the reader script, over as many commands and connections as it takes. */
import { SandboxError } from "@remote-agent/domain"
import { Effect, Option, Schedule, Stream } from "effect"
import { type Cursor, isEnd, type JobEvent } from "../JobEvent.ts"
import type { Command, ProcessEvent, Sandbox } from "../Sandbox.ts"
import { type Frame, JobFrames } from "./JobFrames.ts"
import { decodeEnd } from "./JobStatus.ts"
import * as Scripts from "./scripts.ts"

/** The location of a job's output. */
export interface Source {
  readonly directory: string
  readonly user?: string | undefined
}

/**
 * How much one command of the sandbox reads. E2B's SDK keeps the whole output of a command until the command ends, so a
 * longer output takes several commands; and a reader whose client died ends by itself.
 */
const turn = { bytes: 32 * 1024 * 1024, seconds: 240 } as const

/** The same as the last arguments of the reader script. */
export const turnArguments = [turn.bytes, turn.seconds] as const

/** The reader prints something every five seconds. After this silence it is cut off, even if the connection seems to be open. */
const silenceTimeout = "30 seconds"

/** Tells whether a failure is about the connection, so that the job may be running unaffected. */
const isTransient = (error: SandboxError.SandboxError): boolean => {
  const { _tag } = error.reason
  return SandboxError.retryClass(error) !== "never" && _tag !== "QuotaExceeded" && _tag !== "Ambiguous"
}

/** The default schedule for reattaching: two minutes without progress. */
export const reattach = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "2 minutes" })
)

/** Limits a schedule to transient failures. */
export const whileTransient = (schedule: Schedule.Schedule<unknown>) =>
  schedule.pipe(
    Schedule.setInputType<SandboxError.SandboxError>(),
    Schedule.while(({ input }) => isTransient(input))
  )

/** How the output is requested. */
export interface Reading {
  /** The first command, which must print the output from the same cursor on. */
  readonly first?: Command | undefined
  /** Explains the exit code of a first command that ended before it read anything. */
  readonly explain?: ((exitCode: number) => SandboxError.Reason | undefined) | undefined
}

type Events = Effect.Effect<ReadonlyArray<JobEvent>, SandboxError.SandboxError>

/** Follows a job from a cursor to its end. */
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

    const onFrame = (frame: Frame): Events => {
      if (frame._tag === "Broken") return Effect.fail(fail(new SandboxError.ProviderFailed({})))
      if (frame._tag === "Begun") {
        // From here on the job exists, so every further command only reads it.
        first = undefined
        return Effect.succeed([])
      }
      if (frame._tag === "Words") {
        last = frame.words
        return Effect.succeed([])
      }
      cursor = frame.cursor
      return Effect.succeed([frame])
    }

    // The last words count only when the reader has exited; leaving the stream earlier would have to kill the reader.
    const onExit = (exitCode: number): Events => {
      const refused = first === undefined ? undefined : reading.explain?.(exitCode)
      if (refused !== undefined) return Effect.fail(fail(refused))
      if (last[0] === "turn") return Effect.succeed([])
      if (last[0] === "none") {
        return Effect.fail(fail(new SandboxError.FileNotFound({ path: source.directory })))
      }
      return Option.match(decodeEnd(last), {
        onNone: () => Effect.fail(fail(new SandboxError.Unreachable({ sent: true }))),
        onSome: (end) => Effect.succeed([end])
      })
    }

    const onEvent = (event: ProcessEvent): Events => {
      if (event._tag === "Exit") return onExit(event.exitCode)
      if (event._tag !== "Stdout") return Effect.succeed([])
      return Effect.map(Effect.forEach(frames.push(event.text), onFrame), (events) => events.flat())
    }

    const script = Scripts.withArguments("reader", [
      source.directory,
      cursor.stdout,
      cursor.stderr,
      ...turnArguments
    ])
    const command = first ?? { script, ...(source.user === undefined ? {} : { user: source.user }) }
    return sandbox.spawn(command).pipe(
      Stream.timeoutOrElse({
        duration: silenceTimeout,
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
