import { Command, Flag } from "effect/cli"
import { json, lazily, profile, provider } from "../shared/flags.ts"

/** `init`. */
export const init = Command.make(
  "init",
  {
    provider,
    profile,
    force: Flag.Boolean("force").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Write files anew that are there already")
    ),
    json
  },
  lazily(
    "init",
    () => import("./init.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Write a commented remote-agent.json and .env.example into this folder"),
  Command.withExamples([
    { command: "remote-agent init", description: "Asks what it needs" },
    { command: "remote-agent init --provider e2b", description: "In a script: nothing is asked" }
  ])
)

const show = Command.make(
  "show",
  { json },
  lazily(
    "config show",
    () => import("./configShow.ts"),
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
    "config check",
    () => import("./configCheck.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Report everything that is wrong with the settings and profiles, at once"),
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
