/** The output of commands: from callbacks to a stream, with timeouts, and collected. */
import { type Id, SandboxError } from "@remote-agent/domain"
import { Duration, Effect, Stream } from "effect"
import type { Command, ExecResult, ProcessEvent } from "../Sandbox.ts"

/**
 * Carries values from callbacks to an async iterator, in order and with a bound.
 *
 * `push` returns a promise that settles once the reader has caught up, so a producer that awaits it is slowed down to the
 * pace of the reader. The reader receives all waiting values at once.
 *
 * An Effect `Queue` does not fit: the callbacks of the SDK are not effects, and must wait for a promise.
 */
export class OutputChannel<A> implements AsyncIterable<ReadonlyArray<A>> {
  readonly #limit: number
  readonly #weigh: (value: A) => number
  #values: Array<A> = []
  #weight = 0
  #done = false
  #failure: { readonly cause: unknown } | undefined
  #wakeReader: (() => void) | undefined
  #wakeWriters: Array<() => void> = []

  /** `limit` is how much may wait unread, in the unit of `weigh`. */
  constructor(limit: number, weigh: (value: A) => number) {
    this.#limit = limit
    this.#weigh = weigh
  }

  push(value: A): Promise<void> | void {
    if (this.#done) return
    this.#values.push(value)
    this.#weight += this.#weigh(value)
    this.#wakeReader?.()
    if (this.#weight <= this.#limit) return
    return new Promise((resolve) => this.#wakeWriters.push(resolve))
  }

  /** Accepts no more values. The reader receives the waiting values and then the end. */
  end(): void {
    this.#done = true
    this.#wakeReader?.()
  }

  /** Accepts no more values. The reader receives the waiting values and then the failure. */
  fail(cause: unknown): void {
    this.#failure ??= { cause }
    this.end()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReadonlyArray<A>, void, undefined> {
    try {
      while (true) {
        while (this.#values.length > 0) {
          const values = this.#values
          this.#values = []
          this.#weight = 0
          for (const wake of this.#wakeWriters.splice(0)) wake()
          yield values
        }
        if (this.#done) break
        // oxlint-disable-next-line no-await-in-loop -- the loop waits for one value after the other
        await new Promise<void>((resolve) => (this.#wakeReader = resolve))
        this.#wakeReader = undefined
      }
      if (this.#failure !== undefined) throw this.#failure.cause
    } finally {
      this.#done = true
      for (const wake of this.#wakeWriters.splice(0)) wake()
    }
  }
}

/** Fails the stream of a command with `IdleTimedOut` or `WallTimedOut` when a timeout is reached. */
export const withTimeouts = (
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

/** The most output that {@link collect} holds, in characters. */
const mostOutput = 64 * 1024 * 1024

/** Collects the stream of a command. Fails with `OutputTooLarge` beyond 64 MiB. */
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
    return length <= mostOutput
      ? Effect.void
      : Effect.fail(
          SandboxError.fail("exec", new SandboxError.OutputTooLarge({ limitBytes: mostOutput }), sandboxId)
        )
  })
  return { exitCode, stdout: stdout.join(""), stderr: stderr.join("") } satisfies ExecResult
})
