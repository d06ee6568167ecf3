import { Argument, Command, Flag } from "effect/cli"
import { durable, json, lazily, optional, state as stateFlag } from "../shared/flags.ts"
import { Schema } from "effect"

const load = () => import("./StateFiles.ts")

const exportState = Command.make(
  "export",
  {
    file: Argument.String("file").pipe(Argument.withDescription("The file to write; - for standard output")),
    state: stateFlag,
    json
  },
  lazily("state export", load, (module, flags) => module.exportTo(flags))
).pipe(
  Command.withDescription(
    "Write agents, queries, their events and pools into one JSON document, without keys"
  ),
  Command.withExamples([
    { command: "remote-agent state export state.json", description: "Whole or not at all" },
    { command: "remote-agent state export - | gzip > state.json.gz", description: "To standard output" }
  ])
)

const importState = Command.make(
  "import",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription(
        "A document of `state export`, or orchestrator_state.json; - for standard input"
      )
    ),
    ...durable,
    json
  },
  lazily("state import", load, (module, flags) => module.importFrom(flags))
).pipe(
  Command.withDescription("Take over a document, all of it or nothing; what is there already stays as it is"),
  Command.withExamples([
    { command: "remote-agent state import state.json", description: "From another machine" },
    { command: "remote-agent state import orchestrator_state.json", description: "From the Python module" }
  ])
)

/** `state`. */
export const state = Command.make("state").pipe(
  Command.withDescription("Take the records of agents from one place to another"),
  Command.withSubcommands([exportState, importState])
)

const Days = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3650 }))

/** `reap`. */
export const reap = Command.make(
  "reap",
  {
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Say what would be done, and do nothing")
    ),
    includePausedOlderThan: optional(
      Flag.Int("include-paused-older-than").pipe(
        Flag.withSchema(Days),
        Flag.withDescription("End agents that have slept for more than so many days, too")
      )
    ),
    all: Flag.Boolean("all").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Show what is left alone, too")
    ),
    yes: Flag.Boolean("yes").pipe(
      Flag.withDefault(false),
      Flag.withDescription("End sleeping agents without asking")
    ),
    ...durable,
    json
  },
  lazily(
    "reap",
    () => import("./reap.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("End what crashes have left: sandboxes of this state that no agent lives in"),
  Command.withExamples([
    { command: "remote-agent reap --dry-run", description: "What would be done, and why" },
    { command: "remote-agent reap --include-paused-older-than 30 --yes", description: "From cron" }
  ])
)

/** `cost`. */
export const cost = Command.make(
  "cost",
  {
    by: Flag.Literals("by", ["agent", "profile", "day"]).pipe(
      Flag.withDefault("agent"),
      Flag.withDescription("What to sum up by (default: agent)")
    ),
    since: optional(
      Flag.String("since").pipe(
        Flag.withDescription(
          "Only what ended on that day (UTC) or later: 2026-01-31, or 7d for seven days back"
        )
      )
    ),
    state: stateFlag,
    json
  },
  lazily(
    "cost",
    () => import("../query/cost.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("What queries have used that have ended: how many, tokens, money, time"),
  Command.withExamples([
    { command: "remote-agent cost", description: "Of every agent" },
    { command: "remote-agent cost --by day --since 7d --json", description: "For programs" }
  ])
)
