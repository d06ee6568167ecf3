/**
 * Processes of the host, with descriptors 3 (input) and 4 (output) in addition to the usual three.
 *
 * `effect/process` is not used: it signals the whole process group when a leader exits with an error, and it does not
 * report which signal ended a process. A sandbox must not have its group signalled, and E2B reports the signal.
 *
 * @since 0.1.0
 */
import { Deferred, Effect, Schema } from "effect"
import type { Scope, Stream } from "effect"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as NodeChildProcess from "node:child_process"
import { closeSync } from "node:fs"
import type { Readable, Writable } from "node:stream"
import type * as Net from "node:net"

/** How a process ended: exactly one of the two fields is set. */
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

/** A pipe with one end for a child. Close that end in this process once the child has it. */
export interface Pipe {
  readonly childFd: number
  readonly own: Net.Socket
}

/** A pipe that the child reads from. */
export interface InputPipe extends Pipe {
  /**
   * Lets the child open its input again after the pipe was closed: opening a FIFO without a writer would block forever.
   * Run it for as long as the child lives.
   */
  readonly reopenable: Effect.Effect<void>
}

/** The pipes of one command. */
export interface Stdio {
  readonly stdin: InputPipe | undefined
  readonly stdout: Pipe
  readonly stderr: Pipe
}

/** A running process. */
export interface HostProcess {
  readonly pid: number
  /** Waits for the process itself, not for its descendants. */
  readonly exited: Effect.Effect<ExitStatus>
  readonly hasExited: () => boolean
  /** Does nothing when the process has exited. */
  readonly signal: (signal: NodeJS.Signals) => void
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  readonly stderr: Readable
  readonly input: Writable | undefined
  readonly status: Readable | undefined
  /** Sends SIGKILL and waits for the exit for at most five seconds. */
  readonly dispose: Effect.Effect<void>
}

/** What to start. The environment is exactly `env`. */
export interface Options {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
  /** Whether stdin is a pipe. Default: the null device. */
  readonly stdin?: boolean | undefined
  /** Real pipes instead of socket pairs. Replaces `stdin`. */
  readonly stdio?: Stdio | undefined
  /** Whether to open descriptor 3 for writing and 4 for reading. */
  readonly control?: boolean | undefined
}

const ignoreError = () => {}
// When a child exits, Node.js discards output that has no reader yet. An idle listener prevents that.
const keepUnread = () => {}

/** Removes the idle listener, so that `data` listeners receive the output. */
export const takeOver = (readable: Readable) => readable.off("readable", keepUnread)

/** Starts a process in its own session, so that signals of a terminal do not reach it. */
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

/** {@link spawn} for the duration of a scope. The process is killed when the scope closes. */
export const scoped = (options: Options): Effect.Effect<HostProcess, HostProcessError, Scope.Scope> =>
  Effect.acquireRelease(spawn(options), (process) => process.dispose)

/** The bytes of a pipe until every holder of the other end has closed it. A broken pipe also ends the stream. */
export const bytes = (readable: Readable): Stream.Stream<Uint8Array, HostProcessError> =>
  NodeStream.fromReadable<Uint8Array, HostProcessError>({
    evaluate: () => readable,
    onError: (cause) => new HostProcessError({ command: "pipe", detail: String(cause) })
  })

/** Writes and waits until the pipe accepts more. Fails when the reader has closed it. */
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

/** Ends a pipe. The reader sees end of file. */
export const end = (writable: Writable): Effect.Effect<void> =>
  Effect.sync(() => void writable.end(() => writable.destroy()))

/** Output and exit status of a finished process. */
export interface Output extends ExitStatus {
  readonly stdout: Buffer
  readonly stderr: string
}

/** All bytes of a pipe. Fails when there are more than `limit`. */
export const collect = (readable: Readable, limit: number): Effect.Effect<Buffer, HostProcessError> =>
  Effect.callback((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    const done = () => resume(Effect.succeed(Buffer.concat(chunks)))
    // An empty pipe has ended before the first listener is attached.
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

/** The first line of a pipe without its newline, or everything if the pipe ends first. */
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

/** The next line of a pipe without its newline, or everything if the pipe ends first. Leaves the rest unread. */
export const line = (readable: Readable): Effect.Effect<string> =>
  Effect.callback((resume) => {
    let text = ""
    const done = () => {
      readable.off("readable", onReadable).off("end", done).off("close", done)
      resume(Effect.succeed(text))
    }
    const onReadable = () => {
      for (let byte: Buffer | null = readable.read(1); byte !== null; byte = readable.read(1)) {
        const letter = byte.toString("latin1")
        if (letter === "\n") return done()
        text += letter
      }
    }
    if (readable.destroyed || readable.readableEnded) return done()
    readable.on("readable", onReadable).once("end", done).once("close", done)
    onReadable()
  })

/** Runs a process to its end and collects its output: at most 64 MiB of stdout and 64 KiB of stderr. */
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
