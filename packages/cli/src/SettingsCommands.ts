import { Command } from "effect/cli"
import { json, lazily } from "./Flags.ts"

const show = Command.make(
  "show",
  { json },
  lazily(
    () => import("./ConfigShow.ts"),
    (module, flags) => module.show(flags)
  )
).pipe(
  Command.withDescription("Every setting, its value and where it comes from; keys are only said to be set"),
  Command.withExamples([{ command: "remote-agent config show", description: "What holds here" }])
)

const check = Command.make(
  "check",
  { json },
  lazily(
    () => import("./ConfigShow.ts"),
    (module, flags) => module.check(flags)
  )
).pipe(
  Command.withDescription("Report everything that is wrong with the settings, at once"),
  Command.withExamples([
    {
      command: "remote-agent config check --json",
      description: "For programs; exit code 2 when not in order"
    }
  ])
)

/** `config`. */
export const config = Command.make("config").pipe(
  Command.withDescription("See and check the settings"),
  Command.withSubcommands([show, check])
)
