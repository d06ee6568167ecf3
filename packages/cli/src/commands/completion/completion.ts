import { Argument, Command } from "effect/cli"
import { json, lazily } from "../shared/flags.ts"

/** `completions`. */
export const completions = Command.make(
  "completions",
  {
    shell: Argument.Literals("shell", ["bash", "zsh", "fish"]).pipe(
      Argument.withDescription("The shell that the script is for")
    ),
    json
  },
  lazily(
    "completions",
    () => import("./script.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Print what makes a shell complete commands, flags, agents, profiles and pools"),
  Command.withExamples([
    { command: 'eval "$(remote-agent completions bash)"', description: "In ~/.bashrc" },
    {
      command: "remote-agent completions fish > ~/.config/fish/completions/remote-agent.fish",
      description: "For fish"
    }
  ])
)
