import { Effect } from "effect"
import { CliOutput, Command, TerminalCapabilities } from "effect/cli"
import * as Acts from "./commands/agent/AgentActCommands.ts"
import * as Agents from "./commands/agent/AgentCommands.ts"
import { completions } from "./commands/completion/completion.ts"
import { doctor } from "./commands/settings/DoctorCommands.ts"
import { Ended, exitCode, toJson, toLines, Usage } from "./ui/Failure.ts"
import { quiet, verbose } from "./commands/shared/flags.ts"
import { CommandHost } from "./process/CommandHost.ts"
import { local } from "./commands/local/LocalCommands.ts"
import { pool } from "./commands/pool/PoolCommands.ts"
import { ask, demo } from "./commands/query/QuestionCommands.ts"
import { cp, exec, shell } from "./commands/sandbox/SandboxCommands.ts"
import {
  branch,
  commit,
  issue,
  pr,
  publish,
  pull,
  push,
  webhook
} from "./commands/repository/RepositoryCommands.ts"
import { line, type Output, red, Screen } from "./ui/Screen.ts"
import { cost, reap, state } from "./commands/state/StateCommands.ts"
import { config, init } from "./commands/settings/SettingsCommands.ts"
import { version } from "./version.ts"

/** Every command there is. */
export const root = Command.make("remote-agent").pipe(
  Command.withDescription(
    "Runs research and coding agents in isolated sandboxes, and never leaves one behind"
  ),
  Command.withSubcommands([
    { group: "questions", commands: [ask, pool, demo] },
    {
      group: "agents that stay",
      commands: [
        Agents.launch,
        Agents.fork,
        Agents.query,
        Agents.logs,
        Agents.cancel,
        Agents.list,
        Agents.info,
        Acts.pause,
        Acts.resume,
        Acts.terminate,
        Acts.update,
        Acts.health,
        Agents.rename,
        Agents.labels,
        Agents.profiles
      ]
    },
    { group: "inside of a sandbox", commands: [exec, shell, cp] },
    { group: "repositories", commands: [pr, publish, branch, commit, push, pull, issue, webhook] },
    { group: "state and costs", commands: [cost, state, reap] },
    { group: "this machine", commands: [init, config, doctor, completions, local] }
  ]),
  Command.withGlobalFlags([quiet, verbose])
)

const wordsOf = ({ errors }: CliOutput.Presenter.InvalidInvocation): string =>
  errors
    .map(({ message }) =>
      message.trim().replace(/Expected: Schema validation failed: (?:Expected )?/, "Expected ")
    )
    .join("\n")

/** What is wrong with a call, and where to look: the whole help would push it off the screen. */
const wrongCall = (output: Output, event: CliOutput.Presenter.InvalidInvocation): string =>
  `${red(output, wordsOf(event).replaceAll(/\n\n+/g, "\n"))}\n  See \`${event.commandPath.join(" ")} --help\`.`

const wrongCallJson = (event: CliOutput.Presenter.InvalidInvocation): string =>
  JSON.stringify(toJson(new Usage({ message: wordsOf(event) })))

/** Help goes to stdout when it was asked for, and to stderr when the call was wrong. */
const presenter = (asJson: boolean) =>
  Effect.map(Screen, ({ err, out }): CliOutput.Presenter => ({
    present: (event) => {
      const formatter = CliOutput.defaultFormatter({ colors: out.colors })
      switch (event._tag) {
        case "Version":
          return line(out, event.version)
        case "Help":
          return line(out, formatter.formatHelpDoc(event.helpDoc))
        case "InvalidInvocation":
          return Effect.andThen(
            asJson ? line(out, wrongCallJson(event)) : Effect.void,
            line(err, wrongCall(err, event))
          )
      }
    }
  }))

/** Whether questions are to be asked; what comes after `--` is of another program. */
const wantsWizard = (args: ReadonlyArray<string>): boolean => {
  const end = args.indexOf("--")
  return args.slice(0, end === -1 ? undefined : end).includes("--wizard")
}

/** Runs the command that the arguments name. Fails with `Ended`, which carries the exit code, when it is not done. */
export const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const [{ err, out }, { interactive }] = [yield* Screen, yield* CommandHost]
  if (wantsWizard(args) && !interactive) {
    const usage = new Usage({
      message: "--wizard asks questions, and nobody can be asked here. Say the flags."
    })
    if (args.includes("--json")) yield* line(out, JSON.stringify(toJson(usage)))
    yield* line(err, red(err, toLines(usage).join("\n")))
    return yield* new Ended({ code: exitCode.usage })
  }
  return yield* Command.runWith(root, { version })(args).pipe(
    Effect.catchTag("ShowHelp", ({ errors }) =>
      errors.length === 0 ? Effect.void : Effect.fail(new Ended({ code: exitCode.usage }))
    ),
    Effect.provideService(CliOutput.Presenter, yield* presenter(args.includes("--json"))),
    Effect.provideService(TerminalCapabilities.TerminalCapabilities, {
      canAnimate: err.live,
      canColor: err.colors,
      canPrompt: false
    })
  )
})
