import type { CommandHandle } from "e2b"
import { Effect } from "effect"
import type { Kill } from "./kill.ts"
import type { OutputChannel } from "./OutputChannel.ts"

/** Something that runs in an E2B sandbox, a command or a terminal, with what it writes as pieces of the type `A`. */
export interface Running<A> {
  readonly handle: CommandHandle
  readonly output: OutputChannel<A>
  /** What it was started with, to find it and all that it starts by. */
  readonly mark: string
  /** Settles when the SDK has nothing more to tell about it. */
  readonly settled: Promise<void>
  ended: boolean
}

/** The exit code and nothing else, from whatever the SDK made of the end of a command. */
const exitCodeOf = (cause: unknown): number | undefined =>
  typeof cause === "object" && cause !== null && "exitCode" in cause && typeof cause.exitCode === "number"
    ? cause.exitCode
    : undefined

/** Follows what was started: `onExit` hears its exit code, then its output ends, or fails when the code is unknown. */
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
 * Kills what has not ended by itself, and waits for the end of its output. A killed command ends its stream itself.
 * Cutting the stream while a piece of it is on the way makes Node's fetch throw outside of every promise
 * (ERR_INVALID_STATE), so that is left for one that will not end.
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
