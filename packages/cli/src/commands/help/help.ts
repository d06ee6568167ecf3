import { Effect } from "effect"
import { Argument } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import { Usage } from "../../ui/Failure.ts"
import { CommandTree, HelpPages } from "../completion/CommandTree.ts"
import { command } from "../shared/command.ts"

/** `help`. */
export const help = command({
  name: "help",
  at: "machine",
  description: "Print the help of a command, like --help",
  flags: {
    command: Argument.String("command").pipe(
      Argument.variadic(),
      Argument.withDescription("The words of the command (default: all commands)")
    )
  },
  examples: [{ command: "remote-agent help pool run", description: "What `pool run` takes" }],
  run: Effect.fn("help")(function* ({ command: words }): Run<CommandTree | HelpPages> {
    const [tree, print] = [yield* yield* CommandTree, yield* HelpPages]
    let commands = tree.subcommands
    for (const word of words) {
      const found = commands.find(({ name }) => name === word)
      if (found === undefined) {
        return yield* new Usage({
          message: `There is no command ${words.join(" ")}. List all commands with \`remote-agent help\`.`
        })
      }
      commands = found.subcommands
    }
    yield* print(words)
  })
})
