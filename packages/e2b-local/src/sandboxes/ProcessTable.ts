/**
 * The commands of one sandbox and their listeners.
 *
 * @since 0.1.0
 */
import { Clock, Deferred, Effect, Latch, Option, PubSub, Schema, Scope, Stream } from "effect"
import type { Readable } from "node:stream"
import * as HostProcess from "../host/HostProcess.ts"
import * as PseudoTerminal from "../isolation/PseudoTerminal.ts"
import type { Account, Command, CommandError, Running, SandboxRuntime } from "../isolation/SandboxRuntime.ts"
import type { SandboxLog } from "./SandboxLog.ts"

/** There is no such command, or it has ended. */
export class ProcessNotFound extends Schema.TaggedError<ProcessNotFound>()("ProcessNotFound", {
  message: Schema.String
}) {}

/** An event of a command in the JSON form of the protocol. */
export type Event =
  | { readonly start: { readonly pid: number } }
  | { readonly data: { readonly stdout: string } | { readonly stderr: string } | { readonly pty: string } }
  | {
      readonly end: {
        readonly exitCode: number
        readonly exited: boolean
        readonly status: string
        readonly error?: string
      }
    }
  | { readonly keepalive: Record<string, never> }

/** The description of a command by its client, which `List` returns. */
interface Config {
  readonly cmd: string
  readonly args: ReadonlyArray<string>
  readonly envs: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
}

/** A command that runs or ended a short while ago. */
export interface Process {
  readonly pid: number
  readonly tag: Option.Option<string>
  readonly config: Config
  readonly running: Running
  readonly terminal: boolean
  readonly user: Account["name"]
  /** Set just before the end is reported. */
  ended: Option.Option<Event>
  readonly events: PubSub.PubSub<Event>
}

/** A command that has just started. */
interface Started {
  readonly events: Stream.Stream<Event>
  /** Completes when its deadline kills it. Never completes when it has none or ended before. */
  readonly expired: Effect.Effect<void>
}

/** How a client selects a command. */
export type Selector = { readonly pid: number } | { readonly tag: string }

/** The commands of one sandbox. */
export interface ProcessTable {
  /**
   * Starts a command and returns its events from the first on.
   *
   * **Details**
   *
   * It continues without listeners. With a deadline its leader is killed after that many milliseconds; the time in which
   * the sandbox is paused does not count.
   */
  readonly start: (
    command: Command,
    about: {
      readonly config: Config
      readonly tag: Option.Option<string>
      readonly deadline: Option.Option<number>
      /** Starts it on a terminal of this size. */
      readonly terminal: Option.Option<PseudoTerminal.Size>
    }
  ) => Effect.Effect<Started, CommandError, Scope.Scope>
  /** The events from now on. Earlier output is not repeated. */
  readonly connect: (selector: Selector) => Effect.Effect<Stream.Stream<Event>, ProcessNotFound, Scope.Scope>
  readonly list: Effect.Effect<ReadonlyArray<Process>>
  /** A command that has not ended. */
  readonly get: (selector: Selector) => Effect.Effect<Process, ProcessNotFound>
  /** Waits for a number of milliseconds. The time in which the sandbox is paused does not count. */
  readonly sleep: (millis: number) => Effect.Effect<void>
  readonly suspend: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

// How long the end of a command can still be requested.
const RETENTION = "30 seconds"
// Chunks of at most 64 KiB that may wait for the slowest listener before the command is slowed down.
const BACKLOG = 16

const signalNames: Readonly<Partial<Record<NodeJS.Signals, string>>> = {
  SIGKILL: "killed",
  SIGTERM: "terminated",
  SIGINT: "interrupt",
  SIGHUP: "hangup",
  SIGSEGV: "segmentation fault",
  SIGABRT: "aborted",
  SIGPIPE: "broken pipe"
}

/** The end of a command in the words of envd. A signal has exit code -1. */
export const endEvent = (status: HostProcess.ExitStatus): Extract<Event, { readonly end: object }> => {
  const exited = status.signal === null
  const exitCode = exited ? (status.code ?? -1) : -1
  const text = exited ? `exit status ${exitCode}` : `signal: ${signalNames[status.signal] ?? status.signal}`
  return { end: { exitCode, exited, status: text, ...(exitCode === 0 ? {} : { error: text }) } }
}

const isEnd = (event: Event) => "end" in event

const describe = (selector: Selector) =>
  "pid" in selector ? `process with pid ${selector.pid}` : `process with tag ${selector.tag}`

/** The table of a runtime. It logs the start and end of commands. Its fibers run in the scope. */
export const make = Effect.fnUntraced(function* (runtime: SandboxRuntime, log: SandboxLog) {
  const scope = yield* Effect.scope
  const table = new Map<number, Process>()
  const awake = Latch.makeUnsafe(true)
  let asleep = Deferred.makeUnsafe<void>()

  const find = (selector: Selector) =>
    "pid" in selector
      ? table.get(selector.pid)
      : [...table.values()].findLast((process) => Option.contains(process.tag, selector.tag))

  const lookup = (selector: Selector, alive: boolean) =>
    Effect.suspend(() => {
      const process = find(selector)
      return process === undefined || (alive && Option.isSome(process.ended))
        ? Effect.fail(new ProcessNotFound({ message: `${describe(selector)} not found` }))
        : Effect.succeed(process)
    })

  const sleep = Effect.fnUntraced(function* (millis: number) {
    let left = millis
    while (left > 0) {
      yield* awake.await
      const before = yield* Clock.currentTimeMillis
      yield* Effect.timeoutOption(Deferred.await(asleep), left)
      left -= (yield* Clock.currentTimeMillis) - before
    }
  })

  const pump = (process: Process, readable: Readable, as: (base64: string) => Event) =>
    HostProcess.bytes(readable).pipe(
      Stream.runForEach((chunk) =>
        PubSub.publish(
          process.events,
          as(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString("base64"))
        )
      ),
      // A broken pipe ends the output, as a closed one does.
      Effect.ignore
    )

  const drive = Effect.fnUntraced(function* (process: Process) {
    const [, , status] = yield* Effect.all(
      [
        pump(process, process.running.stdout, (text) => ({
          data: process.terminal ? { pty: text } : { stdout: text }
        })),
        pump(process, process.running.stderr, (text) => ({
          data: process.terminal ? { pty: text } : { stderr: text }
        })),
        process.running.exited
      ],
      { concurrency: 3 }
    )
    const end = endEvent(status)
    process.ended = Option.some(end)
    yield* log.write("process ended", { pid: `${process.pid}`, status: end.end.status })
    yield* Effect.forkIn(forget(process), scope)
    yield* process.running.release
    yield* PubSub.publish(process.events, end)
  })

  const forget = (process: Process) =>
    Effect.andThen(
      Effect.sleep(RETENTION),
      Effect.sync(() => {
        if (table.get(process.pid) === process) table.delete(process.pid)
      })
    )

  /** The events from now on. A listener that comes after the end gets the end again. */
  const listen = Effect.fnUntraced(function* (process: Process) {
    const subscription = yield* PubSub.subscribe(process.events)
    const start: Event = { start: { pid: process.pid } }
    return Option.match(process.ended, {
      onNone: () =>
        Stream.concat(Stream.succeed(start), Stream.takeUntil(Stream.fromSubscription(subscription), isEnd)),
      onSome: (end) => Stream.make(start, end)
    })
  })

  const start: ProcessTable["start"] = Effect.fnUntraced(function* (command, about) {
    const listener = yield* Effect.scope
    return yield* Effect.gen(function* () {
      const running = yield* Option.match(about.terminal, {
        onNone: () => runtime.start(command),
        onSome: (size) => PseudoTerminal.start(runtime, command, size)
      })
      const process: Process = {
        pid: running.pid,
        tag: about.tag,
        config: about.config,
        running,
        terminal: Option.isSome(about.terminal),
        user: command.user ?? "user",
        ended: Option.none(),
        events: yield* PubSub.bounded<Event>(BACKLOG)
      }
      table.set(running.pid, process)
      yield* log.write("process started", { pid: `${running.pid}` })
      const expired = Deferred.makeUnsafe<void>()
      const events = yield* Scope.provide(listen(process), listener)
      yield* Effect.forkIn(drive(process), scope)
      if (Option.isSome(about.deadline)) {
        const kill = Effect.andThen(Deferred.succeed(expired, undefined), running.signal("SIGKILL"))
        yield* Effect.forkIn(
          Effect.raceFirst(Effect.andThen(sleep(about.deadline.value), kill), Effect.asVoid(running.exited)),
          scope
        )
      }
      return { events, expired: Deferred.await(expired) }
    }).pipe(
      // A client that disconnects meanwhile does not end the command, as at E2B.
      Effect.uninterruptible
    )
  })

  return {
    start,
    connect: (selector) => Effect.flatMap(lookup(selector, false), listen),
    list: Effect.sync(() => [...table.values()].filter((process) => Option.isNone(process.ended))),
    get: (selector) => lookup(selector, true),
    sleep,
    suspend: Effect.suspend(() => Effect.andThen(awake.close, Deferred.succeed(asleep, undefined))),
    resume: Effect.suspend(() => {
      asleep = Deferred.makeUnsafe()
      return awake.open
    })
  } satisfies ProcessTable
})
