import { Effect, type Terminal } from "effect"
import { Prompt } from "effect/cli"
import { Ended, type Environment, exitCode, type Failure, Usage } from "./Failure.ts"
import { CommandHost } from "../process/CommandHost.ts"

/**
 * Goes on once somebody said yes: with `--yes`, or when asked on a terminal. Fails with `Usage` where nobody can be
 * asked, and ends with 130 when the answer is no.
 */
export const confirm = Effect.fnUntraced(function* (
  question: string,
  yes: boolean
): Effect.fn.Return<void, Failure | Ended, Environment | Terminal.Terminal> {
  if (yes) return
  const { interactive } = yield* CommandHost
  if (!interactive) {
    return yield* new Usage({ message: `${question} Nobody can be asked here: say --yes.` })
  }
  const agreed = yield* Prompt.run(Prompt.Confirm({ message: question })).pipe(
    Effect.catchTag("QuitError", () => Effect.succeed(false))
  )
  if (!agreed) return yield* new Ended({ code: exitCode.interrupted })
})
