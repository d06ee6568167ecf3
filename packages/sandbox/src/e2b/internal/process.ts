import { Id, SandboxError } from "@remote-agent/domain"
import type { CommandHandle, Sandbox as SdkSandbox } from "e2b"
import { Effect, Stream } from "effect"
import type { E2bCalls } from "./calls.ts"
import { Rejected } from "./errors.ts"
import { upload } from "./files.ts"
import { killer } from "./kill.ts"
import { follow, releaser, type Running } from "./running.ts"
import { collect, timed } from "./output.ts"
import { OutputChannel } from "./OutputChannel.ts"
import type { Command, ProcessEvent } from "../../Sandbox.ts"
import { commandLine, marker, quote } from "../../job/shell.ts"

/** Output that may wait for a slow reader before the command is slowed down, in characters. */
const highWater = 1024 * 1024

/** The kernel takes at most 128 KiB in one argument; a longer line travels in a file. */
const longestLine = 96 * 1024

/** Input goes out in pieces of this many bytes. */
const inputPiece = 64 * 1024

const encoder = new TextEncoder()

const stdinOf = ({ stdin }: Command): Stream.Stream<Uint8Array> | undefined =>
  stdin === undefined ? undefined : Stream.succeed(typeof stdin === "string" ? encoder.encode(stdin) : stdin)

/** Where the SDK's handle of a command gathers what the command wrote. */
const gathered = { Stdout: "_stdout", Stderr: "_stderr" } as const

/**
 * Forgets what the handle of a command has gathered. The SDK keeps the whole output in strings, which end at 512 MiB
 * and with them the command; who is told of each piece needs none of it. It offers no other way.
 */
export const forget = (handle: CommandHandle, stream: keyof typeof gathered): void => {
  Reflect.set(handle, gathered[stream], "")
}

/** Runs commands in one E2B sandbox. */
export const make = (calls: E2bCalls, sdkSandbox: SdkSandbox, sandboxId: Id.SandboxId) => {
  const spawning = <A>(evaluate: (signal: AbortSignal) => Promise<A>) =>
    calls.attempt({ operation: "spawn", sandboxId }, evaluate)

  const lineOf = Effect.fnUntraced(function* (command: Command, mark: string) {
    const line = commandLine(command)
    if (encoder.encode(line).length <= longestLine) return line
    // The file removes itself: what is sourced has been opened already.
    const text = `rm -f -- "\${BASH_SOURCE[0]}" 2>/dev/null\n${"script" in command ? command.script : line}\n`
    const { path } = yield* calls.call({ operation: "write", sandboxId }, (signal) =>
      sdkSandbox.files.write(`.remote-agent/${mark}.sh`, text, { ...upload, signal })
    )
    const source = `. ${quote(path)}`
    return "script" in command ? commandLine({ script: source }) : source
  })

  const kill = killer(calls, sdkSandbox, sandboxId)
  const release = releaser(kill)

  const start = Effect.fnUntraced(function* (command: Command, reads: boolean) {
    const mark = yield* Id.nextToken
    const line = yield* lineOf(command, mark)
    const output = new OutputChannel<ProcessEvent>(highWater, (event) =>
      "text" in event ? event.text.length : 0
    )
    let told: CommandHandle | undefined
    const tell = (_tag: "Stdout" | "Stderr") => (text: string) => {
      if (told !== undefined) forget(told, _tag)
      return output.push({ _tag, text })
    }
    const starting = calls.attempt({ operation: "spawn", sandboxId, user: command.user }, (signal) =>
      sdkSandbox.commands.run(line, {
        background: true,
        stdin: reads,
        // The deadline of the SDK kills only the leader, and a minute is its default; our timeouts kill the tree.
        timeoutMs: 0,
        envs: { ...command.env, [marker]: mark },
        signal,
        ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
        ...(command.user === undefined ? {} : { user: command.user }),
        onStdout: tell("Stdout"),
        onStderr: tell("Stderr")
      })
    )
    const handle = yield* Effect.tapError(starting, (error) =>
      SandboxError.retryClass(error) === "ambiguous" ? kill(mark) : Effect.void
    )
    told = handle
    return follow({ handle, output, mark }, (exitCode) => {
      void output.push({ _tag: "Exit", exitCode })
    })
  })

  const feed = Effect.fnUntraced(
    function* (running: Running<ProcessEvent>, input: Stream.Stream<Uint8Array>) {
      yield* Stream.runForEach(
        input,
        Effect.fnUntraced(function* (bytes) {
          for (let at = 0; at < bytes.length; at += inputPiece) {
            const piece = bytes.subarray(at, at + inputPiece)
            yield* spawning((signal) => running.handle.sendStdin(piece, { signal }))
          }
        })
      )
      yield* spawning((signal) => running.handle.closeStdin({ signal }))
    },
    // A command that ends without reading everything is no failure of ours; its end is reported by its output. Input
    // to a broken pipe fails like a provider that is out of reach, and may do so before that end is known.
    (effect, running) =>
      Effect.catchReasons(effect, "SandboxError", {
        InvalidRequest: () => Effect.void,
        Unreachable: (_, error) =>
          Effect.timeoutOrElse(
            Effect.promise(() => running.settled),
            {
              duration: "5 seconds",
              orElse: () => Effect.fail(error)
            }
          )
      })
  )

  const events = Effect.fnUntraced(function* (
    command: Command,
    input: Stream.Stream<Uint8Array> | undefined = stdinOf(command)
  ) {
    const running = yield* Effect.acquireRelease(start(command, input !== undefined), release)
    let output: Stream.Stream<ProcessEvent, SandboxError.SandboxError> = timed(
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
      const feeding = Effect.andThen(feed(running, input), Effect.never)
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
