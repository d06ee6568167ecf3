import { Effect } from "effect"
import { Argument } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { CommandTree } from "./CommandTree.ts"
import { script } from "./script.ts"

/** `completions`. */
export const completions = command({
  name: "completions",
  at: "machine",
  description: "Print a script that makes a shell complete commands, flags, agents, profiles and pools",
  flags: {
    shell: Argument.Literals("shell", ["bash", "zsh", "fish"]).pipe(
      Argument.withDescription("The shell that the script is for")
    )
  },
  examples: [
    { command: 'eval "$(remote-agent completions bash)"', description: "In ~/.bashrc" },
    {
      command: "remote-agent completions fish > ~/.config/fish/completions/remote-agent.fish",
      description: "For fish"
    }
  ],
  run: Effect.fn("completions")(function* ({ json, shell }): Run<CommandTree> {
    const [{ out }, tree] = [yield* Screen, yield* CommandTree]
    const text = script(shell, yield* tree)
    yield* line(out, json ? jsonText({ shell, script: text }) : text)
  })
})
