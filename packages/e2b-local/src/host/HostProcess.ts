/**
 * Processes of the host, with the descriptors 3 (in) and 4 (out) beside the usual three.
 *
 * `effect/process` is not used here: it signals the whole group when a leader exits non-zero, and does not
 * tell which signal ended a process. A sandbox needs neither done for it, and the second known.
 *
 * @since 0.1.0
 */
import { Deferred, Effect, Schema } from "effect"
import type { Scope, Stream } from "effect"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as NodeChildProcess from "node:child_process"
import { closeSync } from "node:fs"
import type { Readable, Writable } from "node:stream"
import { RpcError } from "../envd/ConnectProtocol.ts"
import type { Stdio } from "./pipes.ts"
import * as Shell from "../isolation/shell.ts"

/** How a process ended: one of the two is set. */
export interface ExitStatus {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** The process could not be started, or one of its pipes broke. */
export class HostProcessError extends Schema.TaggedError<HostProcessError>()("HostProcessError", {
  command: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.command}: ${this.detail}`
  }
}

/** A running process. */
export interface HostProcess {
  readonly pid: number
  /** Never fails; waits for the process itself, not for its descendants. */
  readonly exited: Effect.Effect<ExitStatus>
  readonly hasExited: () => boolean
  /** Does nothing when the process is gone. */
  readonly signal: (signal: NodeJS.Signals) => void
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  readonly stderr: Readable
  readonly input: Writable | undefined
  readonly status: Readable | undefined
  /** SIGKILL, then waits for the exit, at most five seconds. */
  readonly dispose: Effect.Effect<void>
}

/** What to start. The environment is exactly `env`. */
export interface Options {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
  /** Else the null device. */
  readonly stdin?: boolean | undefined
  /** Real pipes instead of socket pairs, and instead of `stdin`. */
  readonly stdio?: Stdio | undefined
  /** Whether to open descriptor 3 for writing and 4 for reading. */
  readonly control?: boolean | undefined
}

const ignoreError = () => {}
// When a child exits, Node.js throws away what nobody has begun to read; a listener, even idle, prevents that.
const keepUnread = () => {}

/** Hands a pipe over to listeners of its data. */
export const takeOver = (readable: Readable) => readable.off("readable", keepUnread)

/** Starts a process in a session of its own, so that the signals of a terminal do not reach it. */
export const spawn = (options: Options): Effect.Effect<HostProcess, HostProcessError> =>
  Effect.callback((resume) => {
    const fail = (cause: unknown) =>
      resume(
        Effect.fail(
          new HostProcessError({
            command: options.command,
            detail: cause instanceof Error ? cause.message : String(cause)
          })
        )
      )
    const { stdio } = options
    const pipes = stdio === undefined ? [] : [stdio.stdin, stdio.stdout, stdio.stderr]
    let child: NodeChildProcess.ChildProcess
    try {
      child = NodeChildProcess.spawn(options.command, options.args, {
        env: { ...options.env },
        cwd: options.cwd ?? "/",
        detached: true,
        stdio: [
          stdio === undefined
            ? options.stdin === true
              ? "pipe"
              : "ignore"
            : (stdio.stdin?.childFd ?? "ignore"),
          stdio?.stdout.childFd ?? "pipe",
          stdio?.stderr.childFd ?? "pipe",
          ...(options.control === true ? (["pipe", "pipe"] as const) : [])
        ]
      })
    } catch (cause) {
      for (const pipe of pipes) pipe?.own.destroy()
      return fail(cause)
    } finally {
      for (const pipe of pipes) if (pipe !== undefined) closeSync(pipe.childFd)
    }
    const exit = Deferred.makeUnsafe<ExitStatus>()
    child.on("exit", (code, signal) => Deferred.doneUnsafe(exit, Effect.succeed({ code, signal })))
    const streams = child.stdio.map((stream, fd) => stream ?? pipes[fd]?.own)
    for (const stream of streams) stream?.on("error", ignoreError)
    for (const fd of [1, 2, 4]) streams[fd]?.on("readable", keepUnread)
    child.once("error", fail)
    child.once("spawn", () => {
      child.off("error", fail)
      child.on("error", ignoreError)
      resume(Effect.succeed(make(child, streams, exit)))
    })
  })

const make = (
  child: NodeChildProcess.ChildProcess,
  streams: ReadonlyArray<Readable | Writable | undefined>,
  exit: Deferred.Deferred<ExitStatus>
): HostProcess => {
  const hasExited = () => Deferred.isDoneUnsafe(exit)
  const signal = (name: NodeJS.Signals) => {
    if (!hasExited()) child.kill(name)
  }
  const [stdin, stdout, stderr, input, status] = streams
  return {
    pid: child.pid ?? -1,
    exited: Deferred.await(exit),
    hasExited,
    signal,
    stdin: stdin as Writable | undefined,
    stdout: stdout as Readable,
    stderr: stderr as Readable,
    input: input as Writable | undefined,
    status: status as Readable | undefined,
    dispose: Effect.sync(() => signal("SIGKILL")).pipe(
      Effect.andThen(Effect.timeoutOption(Deferred.await(exit), "5 seconds")),
      Effect.ensuring(
        Effect.sync(() => {
          for (const stream of streams) stream?.destroy()
        })
      ),
      Effect.asVoid
    )
  }
}

/** {@link spawn} for the length of a scope: what still runs at its end is killed. */
export const scoped = (options: Options): Effect.Effect<HostProcess, HostProcessError, Scope.Scope> =>
  Effect.acquireRelease(spawn(options), (process) => process.dispose)

/** The bytes of a pipe until all who hold its other end have closed it; a broken pipe ends it as well. */
export const bytes = (readable: Readable): Stream.Stream<Uint8Array, HostProcessError> =>
  NodeStream.fromReadable<Uint8Array, HostProcessError>({
    evaluate: () => readable,
    onError: (cause) => new HostProcessError({ command: "pipe", detail: String(cause) })
  })

/** Writes and waits until the pipe takes more; fails when nobody reads any more. */
export const write = (
  writable: Writable,
  chunk: Uint8Array | string
): Effect.Effect<void, HostProcessError> =>
  Effect.callback((resume) => {
    writable.write(chunk, (error) =>
      resume(
        error ? Effect.fail(new HostProcessError({ command: "pipe", detail: error.message })) : Effect.void
      )
    )
  })

/** Ends a pipe; the reader sees the end of its input. */
export const end = (writable: Writable): Effect.Effect<void> =>
  Effect.sync(() => void writable.end(() => writable.destroy()))

/** What a finished process left. */
export interface Output extends ExitStatus {
  readonly stdout: Buffer
  readonly stderr: string
}

/** All bytes of a pipe, at most `limit`; fails when there are more. */
export const collect = (readable: Readable, limit: number): Effect.Effect<Buffer, HostProcessError> =>
  Effect.callback((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    const done = () => resume(Effect.succeed(Buffer.concat(chunks)))
    // A pipe without a byte ends before anybody listens.
    if (readable.destroyed || readable.readableEnded) return done()
    takeOver(readable).on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size > limit) {
        readable.destroy()
        resume(Effect.fail(new HostProcessError({ command: "pipe", detail: `more than ${limit} bytes` })))
      } else chunks.push(chunk)
    })
    readable.once("end", done)
    readable.once("close", done)
  })

/** The first line of a pipe, without its end; all there is when the pipe ends before the line does. */
export const firstLine = (readable: Readable): Effect.Effect<string> =>
  Effect.callback((resume) => {
    let text = ""
    const done = (line: string) => {
      readable.off("data", onData).off("end", onEnd).off("close", onEnd)
      resume(Effect.succeed(line))
    }
    const onEnd = () => done(text)
    const onData = (chunk: Buffer) => {
      text += chunk.toString("latin1")
      const newline = text.indexOf("\n")
      if (newline >= 0) done(text.slice(0, newline))
    }
    if (readable.destroyed || readable.readableEnded) return onEnd()
    takeOver(readable).on("data", onData).once("end", onEnd).once("close", onEnd)
  })

/**
 * Tells a process that runs `Shell.launcher` what to become and waits until it has: gives its pid as it knows it
 * itself. Fails with `invalid_argument` for a working directory or a program that does not exist.
 */
export const launch = Effect.fnUntraced(function* (process: HostProcess, what: Shell.Launch) {
  const { input, status } = process
  if (input === undefined || status === undefined) {
    return yield* new HostProcessError({ command: "sh", detail: "started without its control pipes" })
  }
  // When the shell ends early its word on the status pipe says more than a broken pipe.
  yield* Effect.ignore(write(input, Shell.launchScript(what)))
  yield* end(input)
  const word = yield* firstLine(status).pipe(
    Effect.timeoutOrElse({
      duration: "20 seconds",
      orElse: () =>
        Effect.fail(new HostProcessError({ command: "sh", detail: "no sign of life in 20 seconds" }))
    })
  )
  if (word.startsWith("pid ")) return Number(word.slice(4))
  if (word === "cwd") {
    return yield* new RpcError({ code: "invalid_argument", message: `cwd '${what.cwd}' does not exist` })
  }
  if (word === "command") {
    return yield* new RpcError({
      code: "invalid_argument",
      message: `the program '${what.argv[0]}' does not exist or is not executable`
    })
  }
  const said = yield* collect(process.stderr, 64 * 1024)
  return yield* new HostProcessError({
    command: "sh",
    detail: `the command could not be started: ${said.toString().trim()}`
  })
})

/** Runs a process to its end and collects what it wrote (64 MiB at most; 64 KiB of stderr). */
export const run = (options: Options): Effect.Effect<Output, HostProcessError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const process = yield* scoped(options)
      const [stdout, stderr, status] = yield* Effect.all(
        [collect(process.stdout, 64 * 1024 * 1024), collect(process.stderr, 64 * 1024), process.exited],
        { concurrency: 3 }
      )
      return { ...status, stdout, stderr: stderr.toString() }
    })
  )
