import { type Id, SandboxError } from "@remote-agent/domain"
import { Duration, Effect, Stream } from "effect"
import type { Command, ExecResult, ProcessEvent } from "../../Sandbox.ts"

/** The most output that {@link collect} holds, in characters. */
const longest = 64 * 1024 * 1024

/** Ends a command's stream with `IdleTimedOut` or `WallTimedOut` when its timeouts are reached. */
export const timed = (
  output: Stream.Stream<ProcessEvent, SandboxError.SandboxError>,
  command: Command,
  sandboxId: Id.SandboxId
): Stream.Stream<ProcessEvent, SandboxError.SandboxError> => {
  const { idle, wall } = command.timeouts ?? {}
  let result = output
  if (idle !== undefined) {
    const after = Duration.fromInputUnsafe(idle)
    result = Stream.timeoutOrElse(result, {
      duration: after,
      orElse: () =>
        Stream.fail(SandboxError.fail("exec", new SandboxError.IdleTimedOut({ after }), sandboxId))
    })
  }
  if (wall !== undefined) {
    const after = Duration.fromInputUnsafe(wall)
    const tooLong = Effect.fail(
      SandboxError.fail("exec", new SandboxError.WallTimedOut({ after }), sandboxId)
    )
    result = Stream.interruptWhen(result, Effect.delay(tooLong, after))
  }
  return result
}

/** Reads a command's stream to its end. Fails with `OutputTooLarge` beyond 64 MiB. */
export const collect = Effect.fnUntraced(function* (
  output: Stream.Stream<ProcessEvent, SandboxError.SandboxError>,
  sandboxId: Id.SandboxId
) {
  const [stdout, stderr]: [Array<string>, Array<string>] = [[], []]
  let [length, exitCode] = [0, -1]
  yield* Stream.runForEach(output, (event) => {
    if (event._tag === "Exit") exitCode = event.exitCode
    if (!("text" in event)) return Effect.void
    const kept = event._tag === "Stdout" ? stdout : stderr
    kept.push(event.text)
    length += event.text.length
    return length <= longest
      ? Effect.void
      : Effect.fail(
          SandboxError.fail("exec", new SandboxError.OutputTooLarge({ limitBytes: longest }), sandboxId)
        )
  })
  return { exitCode, stdout: stdout.join(""), stderr: stderr.join("") } satisfies ExecResult
})
