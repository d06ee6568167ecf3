import { Id, type SandboxError } from "@remote-agent/domain"
import type { Sandbox as SdkSandbox } from "e2b"
import { Deferred, Effect, Stream } from "effect"
import { OutputChannel } from "../../internal/output.ts"
import { marker } from "../../job/shell.ts"
import type { Sandbox, Terminal, TerminalOptions, TerminalSize } from "../../Sandbox.ts"
import type { E2bCalls } from "./calls.ts"
import { Rejected } from "./errors.ts"
import { follow, killer, releaser, type Running } from "./process.ts"
import { isAmbiguous } from "./reconcile.ts"

/** How much output may wait for a slow reader before the shell is slowed down, in bytes. */
const highWater = 1024 * 1024

/** Opens terminals in one E2B sandbox. */
export const make = (
  calls: E2bCalls,
  sandbox: SdkSandbox,
  sandboxId: Id.SandboxId
): Pick<Sandbox, "terminal"> => {
  const kill = killer(calls, sandbox, sandboxId)
  const release = releaser(kill)
  const call = { operation: "terminal", sandboxId } as const

  const start = Effect.fnUntraced(function* ({ columns, cwd, env, rows, user }: TerminalOptions) {
    const mark = yield* Id.nextToken
    const output = new OutputChannel<Uint8Array>(highWater, ({ length }) => length)
    const exitCode = yield* Deferred.make<number, SandboxError.SandboxError>()
    const starting = calls.attempt({ ...call, user }, (signal) =>
      sandbox.pty.create({
        cols: columns,
        rows,
        signal,
        // The default of the SDK is one minute.
        timeoutMs: 0,
        envs: { ...env, [marker]: mark },
        ...(cwd === undefined ? {} : { cwd }),
        ...(user === undefined ? {} : { user }),
        onData: (bytes) => output.push(bytes)
      })
    )
    const handle = yield* Effect.tapError(starting, (error) =>
      isAmbiguous(error) ? kill(mark) : Effect.void
    )
    const running = follow({ handle, output, mark }, (code) => {
      Deferred.doneUnsafe(exitCode, Effect.succeed(code))
    })
    return { running, exitCode }
  })

  /** Sends a request to the shell. A shell that has ended does not accept any; its output reports its end. */
  const send = (running: Running<Uint8Array>, evaluate: (signal: AbortSignal) => Promise<void>) =>
    Effect.catchIf(
      calls.attempt(call, evaluate),
      ({ reason }) => running.ended || reason._tag === "InvalidRequest",
      () => Effect.void
    )

  const terminal = Effect.fn("Sandbox.terminal")(function* (options: TerminalOptions) {
    const { exitCode, running } = yield* Effect.acquireRelease(start(options), (started) =>
      release(started.running)
    )
    const { handle, output } = running
    const failed = (cause: unknown) =>
      Effect.tapError(calls.explain(cause, call), (error) => Deferred.fail(exitCode, error))
    return {
      output: Stream.fromAsyncIterable(output, (cause) => new Rejected({ cause })).pipe(
        Stream.flattenIterable,
        Stream.catch(({ cause }) => Stream.fromEffect(failed(cause)))
      ),
      exitCode: Deferred.await(exitCode),
      write: (keys: Uint8Array) =>
        send(running, (signal) => sandbox.pty.sendInput(handle.pid, keys, { signal })),
      resize: ({ columns, rows }: TerminalSize) =>
        send(running, (signal) => sandbox.pty.resize(handle.pid, { cols: columns, rows }, { signal }))
    } satisfies Terminal
  })

  return { terminal }
}
