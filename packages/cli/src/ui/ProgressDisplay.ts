import type { AgentPool } from "@remote-agent/orchestrator"
import { Clock, Effect, Ref, Schedule, type Scope } from "effect"
import * as Live from "./liveLines.ts"
import { dim, line, type Output } from "./Screen.ts"

const hideCursor = "\u001B[?25l"
const showCursor = "\u001B[?25h"
const clearBelow = "\u001B[0J"
const up = (lines: number) => (lines === 0 ? "\r" : `\u001B[${lines}A\r`)

/** Shows the progress of a pool. */
export interface ProgressDisplay {
  readonly onEvent: (event: AgentPool.PoolEvent) => Effect.Effect<void>
  /** Writes text that stays, above the lines that are redrawn. */
  readonly say: (text: string) => Effect.Effect<void>
}

/** One line per event, for pipes and files. */
const plain = (output: Output): ProgressDisplay => ({
  say: (text) => line(output, text),
  onEvent: (event) => {
    const words = Live.words(event)
    return words === undefined ? Effect.void : line(output, `agent ${event.slot + 1}: ${words}`)
  }
})

/** One line per agent, redrawn ten times a second. */
const live = Effect.fnUntraced(function* (output: Output) {
  const view = yield* Ref.make(Live.empty)
  const drawn = yield* Ref.make(0)

  const draw = (above: string) =>
    Effect.gen(function* () {
      const lines = Live.render(yield* Ref.get(view), yield* Clock.currentTimeMillis, output.columns())
      const before = yield* Ref.getAndSet(drawn, lines.length)
      const body = lines.map((text) => `${dim(output, text)}\n`).join("")
      yield* output.write(`${up(before)}${clearBelow}${above}${body}`)
    })

  yield* Effect.acquireRelease(output.write(hideCursor), () =>
    Effect.andThen(Effect.andThen(Ref.set(view, Live.empty), draw("")), output.write(showCursor))
  )
  yield* Effect.forkScoped(Effect.schedule(draw(""), Schedule.spaced("100 millis")))

  return {
    say: (text) => draw(`${text}\n`),
    onEvent: (event) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Ref.update(view, (old) => Live.update(old, event, now))
      )
  } satisfies ProgressDisplay
})

/** A display: redrawn lines on a terminal, which are erased when the scope closes, and one line per event elsewhere. */
export const make = (output: Output): Effect.Effect<ProgressDisplay, never, Scope.Scope> =>
  output.live ? live(output) : Effect.succeed(plain(output))

/** Shows nothing. */
export const none: ProgressDisplay = { onEvent: () => Effect.void, say: () => Effect.void }
