/**
 * The server's side of a guest: sends requests, and matches answers to them.
 *
 * @since 0.1.0
 */
import { Deferred, Effect, Option, Schema } from "effect"
import { closeSync } from "node:fs"
import { constants } from "node:os"
import type { Readable, Writable } from "node:stream"
import * as HostProcess from "../host/HostProcess.ts"
import * as Frames from "./frames.ts"
import { program } from "./program.ts"

/** The guest cannot do this, or it has ended. Something else has to. */
export class GuestUnable extends Schema.TaggedError<GuestUnable>()("GuestUnable", {}) {}

/** A command was not started. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  /** `cwd` and `command`: the working directory or the program does not exist. */
  word: Schema.Literals(["cwd", "command", "failed"]),
  detail: Schema.String
}) {}

/** Limits of each command. Without a number the host's limit stays. */
interface Limits {
  readonly processes?: number | undefined
  readonly openFiles: number
  readonly fileBytes: number
}

/** Where a guest is started, and what it becomes there. */
export interface Options {
  /** The control groups that it joins before it does anything else. */
  readonly groups: ReadonlyArray<string>
  /**
   * Paths of namespaces, in the order in which they are entered. A leading `parent:` means the parent of a user
   * namespace.
   */
  readonly namespaces: ReadonlyArray<string>
  /** The uid of the host that commands run as. None when the user namespace decides. */
  readonly uid: Option.Option<number>
  readonly limits: Limits
  /** A seccomp program that refuses system calls of commands. */
  readonly filter?: Buffer | undefined
  readonly env: Readonly<Record<string, string>>
}

/** A command to start. */
export interface Command {
  readonly argv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly missing?: "fail" | "exit" | undefined
}

/** A command that was started. */
export interface Started {
  /** The pid inside of the sandbox. */
  readonly pid: number
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  readonly stderr: Readable
  readonly exited: Effect.Effect<HostProcess.ExitStatus>
  /** Does nothing when the command has exited. */
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** The result of a file operation, as of a script. */
export interface FileResult {
  readonly code: number
  readonly message: string
  readonly output: Buffer
}

/** A running guest. */
export interface Guest {
  readonly pid: number
  /** Starts a command on these pipes and closes the child's ends of them. */
  readonly run: (command: Command, stdio: HostProcess.Stdio) => Effect.Effect<Started, Refused | GuestUnable>
  /** Runs a file operation of `fileProgram.ts`. An interruption kills it. */
  readonly operate: (
    name: string,
    args: ReadonlyArray<string | Uint8Array>
  ) => Effect.Effect<FileResult, GuestUnable>
}

type Answer = ReadonlyArray<Buffer> | undefined

const READY = "10 seconds"

const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]))

const isSignal = (name: string | undefined): name is NodeJS.Signals =>
  name !== undefined && Object.hasOwn(constants.signals, name)

const exitOf = (code: string, signal: string): HostProcess.ExitStatus => {
  const name = signalNames.get(Number(signal))
  return isSignal(name) ? { code: null, signal: name } : { code: Number(code), signal: null }
}

const text = (field: Buffer | undefined): string => field?.toString() ?? ""

const isWord = Schema.is(Refused.fields.word)

/** Sends requests to a guest and finds the request of each answer. */
const connect = (process: HostProcess.HostProcess) => {
  const listeners = new Map<string, (answer: Answer) => void>()
  const reader = new Frames.FrameReader()
  let [count, ended] = [0, false]
  const end = () => {
    ended = true
    for (const listener of listeners.values()) listener(undefined)
    listeners.clear()
  }
  HostProcess.takeOver(process.stdout)
    .on("data", (piece: Buffer) => {
      for (const [id, ...answer] of reader.push(piece)) listeners.get(text(id))?.(answer)
    })
    .once("close", end)
  const send = (fields: ReadonlyArray<string | Uint8Array>) => {
    process.stdin?.write(Frames.encode(fields))
  }
  return {
    send,
    listeners,
    hasEnded: () => ended,
    nextId: () => `${++count}`
  }
}

type Channel = ReturnType<typeof connect>

const runWith = (channel: Channel) => (command: Command, stdio: HostProcess.Stdio) =>
  Effect.callback<Started, Refused | GuestUnable>((resume) => {
    const { listeners, nextId, send } = channel
    const id = nextId()
    const pipes = [stdio.stdin, stdio.stdout, stdio.stderr]
    const exit = Deferred.makeUnsafe<HostProcess.ExitStatus>()
    const settle = () => {
      for (const pipe of pipes) if (pipe !== undefined) closeSync(pipe.childFd)
    }
    const refuse = (error: Refused | GuestUnable) => {
      listeners.delete(id)
      settle()
      for (const pipe of pipes) pipe?.own.destroy()
      resume(Effect.fail(error))
    }
    if (channel.hasEnded()) return refuse(new GuestUnable())
    for (const pipe of pipes) pipe?.own.on("error", () => {})
    const onExit = (answer: Answer) => {
      listeners.delete(id)
      const [, code, signal] = answer ?? []
      // A command does not survive its guest.
      const status = answer === undefined ? exitOf("", "9") : exitOf(text(code), text(signal))
      Deferred.doneUnsafe(exit, Effect.succeed(status))
    }
    const onStart = (answer: Answer) => {
      if (answer === undefined) return refuse(new GuestUnable())
      const [kind, first, detail] = answer.map(text)
      if (kind !== "started") {
        return refuse(new Refused({ word: isWord(first) ? first : "failed", detail: detail ?? "" }))
      }
      listeners.set(id, onExit)
      settle()
      resume(
        Effect.succeed({
          pid: Number(first),
          stdin: stdio.stdin?.own,
          stdout: stdio.stdout.own,
          stderr: stdio.stderr.own,
          exited: Deferred.await(exit),
          signal: (name) => Effect.sync(() => send([id, "signal", `${constants.signals[name]}`]))
        })
      )
    }
    listeners.set(id, onStart)
    send([
      id,
      "run",
      stdio.stdin === undefined ? "" : `${stdio.stdin.childFd}`,
      `${stdio.stdout.childFd}`,
      `${stdio.stderr.childFd}`,
      command.cwd,
      command.missing ?? "fail",
      `${command.argv.length}`,
      ...command.argv,
      ...Object.entries(command.env).flat()
    ])
  }).pipe(Effect.uninterruptible)

const operateWith =
  (channel: Channel): Guest["operate"] =>
  (name, args) =>
    Effect.callback((resume) => {
      const { listeners, nextId, send } = channel
      if (channel.hasEnded()) return resume(Effect.fail(new GuestUnable()))
      const id = nextId()
      listeners.set(id, (answer) => {
        listeners.delete(id)
        const [kind, body = Buffer.alloc(0)] = answer ?? []
        const [code, message, output = Buffer.alloc(0)] = Frames.fieldsOf(body)
        const isDone = text(kind) === "done" && code !== undefined && text(code) !== "again"
        resume(
          isDone
            ? Effect.succeed({ code: Number(text(code)), message: text(message), output })
            : Effect.fail(new GuestUnable())
        )
      })
      send([id, name, ...args])
      return Effect.sync(() => {
        listeners.delete(id)
        if (!channel.hasEnded()) send([id, "cancel"])
      })
    })

/** Starts a guest for the duration of the scope. None when it cannot be started here. */
export const start = Effect.fnUntraced(
  function* (options: Options) {
    if (program === undefined) return yield* new GuestUnable()
    const { limits } = options
    const words = [
      `server=${process.pid}`,
      `files=${limits.openFiles}`,
      `bytes=${limits.fileBytes}`,
      ...(limits.processes === undefined ? [] : [`processes=${limits.processes}`]),
      ...Option.match(options.uid, { onNone: () => [], onSome: (uid) => [`uid=${uid}`] }),
      ...(options.filter === undefined ? [] : [`filter=${options.filter.toString("hex")}`]),
      ...options.groups.map((group) => `group=${group}`),
      ...options.namespaces.map((path) => `ns=${path}`)
    ]
    const guest = yield* HostProcess.scoped({
      command: "perl",
      args: ["-e", program, "--", ...words],
      env: options.env,
      stdin: true
    })
    const channel = connect(guest)
    const ready = Effect.callback<boolean>((resume) => {
      channel.listeners.set("", (answer) => {
        channel.listeners.delete("")
        resume(Effect.succeed(answer !== undefined))
      })
    })
    const isReady = yield* Effect.timeoutOrElse(ready, {
      duration: READY,
      orElse: () => Effect.succeed(false)
    })
    if (!isReady) {
      const said = yield* Effect.orElseSucceed(HostProcess.collect(guest.stderr, 64 * 1024), () => "")
      yield* Effect.logDebug("A guest could not be started", said.toString().trim())
      return yield* new GuestUnable()
    }
    return { pid: guest.pid, run: runWith(channel), operate: operateWith(channel) } satisfies Guest
  },
  Effect.catchTag("HostProcessError", () => Effect.fail(new GuestUnable())),
  Effect.option
)
