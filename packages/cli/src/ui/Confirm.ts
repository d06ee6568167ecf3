import { Effect, type Terminal } from "effect"
import { Prompt } from "effect/cli"
import { CommandHost } from "../process/CommandHost.ts"
import { exitCode } from "./ExitCode.ts"
import { Ended, type Failure, Usage } from "./Failure.ts"

/**
 * Asks for confirmation unless `yes` is set. Fails with `Usage` where there is no terminal to ask on, and ends with exit
 * code 130 when the answer is no.
 */
export const confirm = Effect.fnUntraced(function* (
  question: string,
  yes: boolean
): Effect.fn.Return<void, Failure | Ended, CommandHost | Prompt.Environment | Terminal.Terminal> {
  if (yes) return
  const { interactive } = yield* CommandHost
  if (!interactive) {
    return yield* new Usage({ message: `${question} There is no terminal to confirm on: give --yes.` })
  }
  const agreed = yield* Prompt.run(Prompt.Confirm({ message: question })).pipe(
    Effect.catchTag("QuitError", () => Effect.succeed(false))
  )
  if (!agreed) return yield* new Ended({ code: exitCode.interrupted })
})
