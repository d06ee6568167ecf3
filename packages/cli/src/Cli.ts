import { Effect } from "effect"
import { CliOutput, Command, TerminalCapabilities } from "effect/cli"
import { Ended, exitCode } from "./Failure.ts"
import { ask, demo, pool } from "./QuestionCommands.ts"
import { line, Screen } from "./Screen.ts"
import { config, init } from "./SettingsCommands.ts"
import { version } from "./version.ts"

/** Every command there is. */
export const root = Command.make("remote-agent").pipe(
  Command.withDescription(
    "Runs research and coding agents in isolated sandboxes, and never leaves one behind"
  ),
  Command.withSubcommands([ask, pool, demo, init, config])
)

/** Help goes to stdout when it was asked for, and to stderr when the call was wrong. */
const presenter = Effect.map(Screen, ({ err, out }): CliOutput.Presenter => ({
  present: (event) => {
    const at = event._tag === "InvalidInvocation" ? err : out
    const formatter = CliOutput.defaultFormatter({ colors: at.colors })
    switch (event._tag) {
      case "Version":
        return line(out, event.version)
      case "Help":
        return line(out, formatter.formatHelpDoc(event.helpDoc))
      case "InvalidInvocation":
        return line(err, `${formatter.formatHelpDoc(event.helpDoc)}\n${formatter.formatErrors(event.errors)}`)
    }
  }
}))

/** Runs the command that the arguments name. Fails with `Ended`, which carries the exit code, when it is not done. */
export const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const { err } = yield* Screen
  return yield* Command.runWith(root, { version })(args).pipe(
    Effect.catchTag("ShowHelp", ({ errors }) =>
      errors.length === 0 ? Effect.void : Effect.fail(new Ended({ code: exitCode.usage }))
    ),
    Effect.provideService(CliOutput.Presenter, yield* presenter),
    Effect.provideService(TerminalCapabilities.TerminalCapabilities, {
      canAnimate: err.live,
      canColor: err.colors,
      canPrompt: false
    })
  )
})
