/** Cases for terminals. */
import { Effect, Result, Stream } from "effect"
import { box, type Case, define, same } from "./case.ts"

const encoder = new TextEncoder()

/** Cases for terminals. */
export const cases: ReadonlyArray<Case> = [
  define("opens a shell on a terminal, or fails with Unsupported", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      const opened = yield* Effect.result(sandbox.terminal({ columns: 80, rows: 24 }))
      if (Result.isFailure(opened)) {
        return yield* same(opened.failure.reason._tag, "Unsupported", "the reason")
      }
      const { exitCode, output, resize, write } = opened.success
      yield* resize({ columns: 100, rows: 30 })
      yield* write(encoder.encode("exit 7\n"))
      yield* Stream.runDrain(output)
      yield* same(yield* exitCode, 7, "the exit code")
      yield* write(encoder.encode("echo too late\n"))
    })
  )
]
