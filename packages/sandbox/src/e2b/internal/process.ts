/** Runs commands in an E2B sandbox, and follows and kills its commands and terminals. */
import { Id, type SandboxError } from "@remote-agent/domain"
import type { CommandHandle, Sandbox as SdkSandbox } from "e2b"
import { Effect, Stream } from "effect"
import { collect, OutputChannel, withTimeouts } from "../../internal/output.ts"
import { script } from "../../job/scripts.ts"
import { commandLine, marker, quote } from "../../job/shell.ts"
import type { Command, ProcessEvent } from "../../Sandbox.ts"
import type { E2bCalls } from "./calls.ts"
import { Rejected } from "./errors.ts"
import { upload } from "./files.ts"
import { isAmbiguous } from "./reconcile.ts"

/**
 * Kills everything in a sandbox that was started with a mark, and everything it started. `pid` is the leader, where it is
 * known. Never fails: a process that may still be running is logged.
 */
export type Kill = (mark: string, pid?: number) => Effect.Effect<void>

/** Makes {@link Kill} for one sandbox. */
export const killer = (calls: E2bCalls, sandbox: SdkSandbox, sandboxId: Id.SandboxId): Kill =>
  Effect.fnUntraced(
    function* (mark: string, pid?: number) {
      yield* calls.call({ operation: "kill", sandboxId }, () =>
        sandbox.commands.run(`bash -c ${quote(script("kill-command"))} kill ${quote(mark)} ${pid ?? ""}`, {
          timeoutMs: 30_000
        })
      )
    },
    // Nothing runs in a sandbox that is gone, and nothing in a paused one can be killed before it is resumed.
    Effect.catchReasons("SandboxError", {
      Gone: () => Effect.void,
      Expired: () => Effect.void,
      Paused: () => Effect.void
    }),
    Effect.catch((error) => Effect.logError("A command may still be running", error))
  )

/** A command or terminal that runs in a sandbox. Its output arrives as pieces of the type `A`. */
export interface Running<A> {
  readonly handle: CommandHandle
  readonly output: OutputChannel<A>
  /** Marks it and everything it starts. */
  readonly mark: string
  /** Settles when the SDK has reported everything about it. */
  readonly settled: Promise<void>
  ended: boolean
}

/** The exit code in the value that the SDK returns or throws at the end of a command. */
const exitCodeOf = (cause: unknown): number | undefined =>
  typeof cause === "object" && cause !== null && "exitCode" in cause && typeof cause.exitCode === "number"
    ? cause.exitCode
    : undefined

/** Follows a running command. `onExit` receives its exit code; then its output ends, or fails when the code is unknown. */
export const follow = <A>(
  started: Pick<Running<A>, "handle" | "mark" | "output">,
  onExit: (exitCode: number) => void
): Running<A> => {
  const { handle, output } = started
  const end = (exitCode: number) => {
    running.ended = true
    onExit(exitCode)
    output.end()
  }
  const settled = handle.wait().then(
    (result) => end(result.exitCode),
    (cause: unknown) => {
      const exitCode = exitCodeOf(cause)
      if (exitCode === undefined) output.fail(cause)
      else end(exitCode)
    }
  )
  const running: Running<A> = { ...started, settled, ended: false }
  return running
}

/**
 * Kills what has not ended, and waits for the end of its output. A killed command ends its stream itself. Cutting the
 * stream while a piece is on its way makes Node's fetch throw outside of every promise (ERR_INVALID_STATE), so that is
 * only done to a stream that does not end.
 */
export const releaser = (kill: Kill) =>
  Effect.fnUntraced(function* <A>(running: Running<A>) {
    if (running.ended) return
    yield* kill(running.mark, running.handle.pid)
    const cut = Effect.andThen(
      Effect.sleep("5 seconds"),
      Effect.promise(() => running.handle.disconnect())
    )
    yield* Effect.raceFirst(
      Effect.promise(() => running.settled),
      cut
    )
  })

/** How much output may wait for a slow reader before the command is slowed down, in characters. */
const highWater = 1024 * 1024

/** The kernel accepts at most 128 KiB in one argument; a longer line is sent as a file. */
const longestLine = 96 * 1024

/** Input is sent in pieces of this many bytes. */
const inputPiece = 64 * 1024

const encoder = new TextEncoder()

const stdinOf = ({ stdin }: Command): Stream.Stream<Uint8Array> | undefined =>
  stdin === undefined ? undefined : Stream.succeed(typeof stdin === "string" ? encoder.encode(stdin) : stdin)

/** The fields in which the SDK's handle collects the output of a command. */
const collected = { Stdout: "_stdout", Stderr: "_stderr" } as const

/**
 * Clears the output that the handle of a command has collected. The SDK keeps the whole output in strings, which cannot
 * exceed 512 MiB, and fails the command beyond that. It offers no other way to stop collecting.
 */
export const clearCollected = (handle: CommandHandle, stream: keyof typeof collected): void => {
  Reflect.set(handle, collected[stream], "")
}

/** One sandbox, as the functions below need it. */
interface Target {
  readonly calls: E2bCalls
  readonly sandbox: SdkSandbox
  readonly sandboxId: Id.SandboxId
}

/** The line that runs a command. A line that is too long for an argument is uploaded first. */
const lineOf = Effect.fnUntraced(function* (
  { calls, sandbox, sandboxId }: Target,
  command: Command,
  mark: string
) {
  const line = commandLine(command)
  if (encoder.encode(line).length <= longestLine) return line
  // The file removes itself, because bash has it open while it sources it.
  const text = `rm -f -- "\${BASH_SOURCE[0]}" 2>/dev/null\n${"script" in command ? command.script : line}\n`
  const { path } = yield* calls.call({ operation: "write", sandboxId }, (signal) =>
    sandbox.files.write(`.remote-agent/${mark}.sh`, text, { ...upload, signal })
  )
  const source = `. ${quote(path)}`
  return "script" in command ? commandLine({ script: source }) : source
})

const start = Effect.fnUntraced(function* (target: Target, kill: Kill, command: Command, reads: boolean) {
  const { calls, sandbox, sandboxId } = target
  const mark = yield* Id.nextToken
  const line = yield* lineOf(target, command, mark)
  const output = new OutputChannel<ProcessEvent>(highWater, (event) =>
    "text" in event ? event.text.length : 0
  )
  let reported: CommandHandle | undefined
  const push = (_tag: "Stdout" | "Stderr") => (text: string) => {
    if (reported !== undefined) clearCollected(reported, _tag)
    return output.push({ _tag, text })
  }
  const starting = calls.attempt({ operation: "spawn", sandboxId, user: command.user }, (signal) =>
    sandbox.commands.run(line, {
      background: true,
      stdin: reads,
      // The timeout of the SDK, one minute by default, kills only the leader; the timeouts of commands kill the tree.
      timeoutMs: 0,
      envs: { ...command.env, [marker]: mark },
      signal,
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
      ...(command.user === undefined ? {} : { user: command.user }),
      onStdout: push("Stdout"),
      onStderr: push("Stderr")
    })
  )
  const handle = yield* Effect.tapError(starting, (error) => (isAmbiguous(error) ? kill(mark) : Effect.void))
  reported = handle
  return follow({ handle, output, mark }, (exitCode) => {
    void output.push({ _tag: "Exit", exitCode })
  })
})

/**
 * Sends the input of a command. A command may end without reading all of it, which its output reports. Writing to its
 * broken pipe fails like an unreachable provider, possibly before its end is known.
 */
const feed = Effect.fnUntraced(
  function* ({ calls, sandboxId }: Target, running: Running<ProcessEvent>, input: Stream.Stream<Uint8Array>) {
    const send = (evaluate: (signal: AbortSignal) => Promise<unknown>) =>
      calls.attempt({ operation: "spawn", sandboxId }, evaluate)
    yield* Stream.runForEach(
      input,
      Effect.fnUntraced(function* (bytes) {
        for (let at = 0; at < bytes.length; at += inputPiece) {
          const piece = bytes.subarray(at, at + inputPiece)
          yield* send((signal) => running.handle.sendStdin(piece, { signal }))
        }
      })
    )
    yield* send((signal) => running.handle.closeStdin({ signal }))
  },
  (effect, _, running) =>
    Effect.catchReasons(effect, "SandboxError", {
      InvalidRequest: () => Effect.void,
      Unreachable: (_reason, error) =>
        Effect.timeoutOrElse(
          Effect.promise(() => running.settled),
          {
            duration: "5 seconds",
            orElse: () => Effect.fail(error)
          }
        )
    })
)

/** Runs commands in one E2B sandbox. */
export const make = (calls: E2bCalls, sandbox: SdkSandbox, sandboxId: Id.SandboxId) => {
  const target: Target = { calls, sandbox, sandboxId }
  const kill = killer(calls, sandbox, sandboxId)
  const release = releaser(kill)

  const events = Effect.fnUntraced(function* (
    command: Command,
    input: Stream.Stream<Uint8Array> | undefined = stdinOf(command)
  ) {
    const running = yield* Effect.acquireRelease(start(target, kill, command, input !== undefined), release)
    let output: Stream.Stream<ProcessEvent, SandboxError.SandboxError> = withTimeouts(
      Stream.fromAsyncIterable(running.output, (cause) => new Rejected({ cause })).pipe(
        Stream.flattenIterable,
        Stream.catch(({ cause }) =>
          Stream.fromEffect(calls.explain(cause, { operation: "spawn", sandboxId }))
        )
      ),
      command,
      sandboxId
    )
    if (input !== undefined) {
      const feeding = Effect.andThen(feed(target, running, input), Effect.never)
      output = Stream.interruptWhen(output, feeding)
    }
    return Stream.concat(Stream.succeed<ProcessEvent>({ _tag: "Started", pid: running.handle.pid }), output)
  })

  const spawn = (
    command: Command,
    input?: Stream.Stream<Uint8Array>
  ): Stream.Stream<ProcessEvent, SandboxError.SandboxError> =>
    Stream.withSpan(Stream.unwrap(events(command, input)), "Sandbox.spawn")

  const exec = Effect.fn("Sandbox.exec")((command: Command) => collect(spawn(command), sandboxId))

  return { exec, spawn }
}
