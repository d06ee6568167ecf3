import { Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { app, budget, durable, json, lazily, optional, question, state, timeout } from "../shared/flags.ts"

const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))

const Name = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][\w.-]{0,63}$/, { message: "letters, digits, `.`, `_` and `-`, at most 64" })
)

const size = optional(
  Flag.Int("size").pipe(Flag.withSchema(Size), Flag.withDescription("How many agents (default: 3)"))
)

const name = Argument.String("name").pipe(
  Argument.withSchema(Name),
  Argument.withDescription("The name of the pool")
)

const yes = Flag.Boolean("yes").pipe(
  Flag.withDefault(false),
  Flag.withDescription("Do not ask whether to go on")
)

const load = () => import("./NamedPools.ts")

const run = Command.make(
  "run",
  {
    questions: question.pipe(Argument.withDescription("A question, in quotes"), Argument.variadic()),
    file: optional(Flag.String("file").pipe(Flag.withDescription("A file with a question per line"))),
    name: optional(
      Flag.String("name").pipe(
        Flag.withSchema(Name),
        Flag.withDescription("The pool to put them to (default: one of their own, which is gone afterwards)")
      )
    ),
    size,
    order: Flag.Literals("order", ["input", "completion"]).pipe(
      Flag.withDefault("input"),
      Flag.withDescription("Print answers in the order of the questions, or as they come")
    ),
    ...budget("all queries of the pool"),
    ...app,
    timeout,
    json
  },
  lazily(
    "pool run",
    () => import("./run.ts"),
    (module, flags) => module.run(flags)
  )
).pipe(
  Command.withDescription("Put many questions to a pool of agents"),
  Command.withExamples([
    {
      command: 'remote-agent pool run "Tesla revenue 2024" "Apple revenue 2024"',
      description: "Two questions at once, to agents that are gone afterwards"
    },
    {
      command: "remote-agent pool run --name research --file questions.txt --json",
      description: "To a pool that stays; one JSON document per line"
    }
  ])
)

const create = Command.make(
  "create",
  { name, size, ...budget("all queries of the pool"), ...app, json },
  lazily("pool create", load, (module, flags) => module.create(flags))
).pipe(
  Command.withDescription("Launch a pool of agents that stays, under a name"),
  Command.withExamples([
    { command: "remote-agent pool create research --size 5", description: "Five agents" }
  ])
)

const list = Command.make(
  "list",
  { state, json },
  lazily("pool list", load, (module, flags) => module.list(flags))
).pipe(
  Command.withDescription("List the pools that stay, and how their agents are"),
  Command.withExamples([{ command: "remote-agent pool list --json", description: "One document per line" }])
)

const resize = Command.make(
  "resize",
  {
    name,
    size: Argument.Int("size").pipe(
      Argument.withSchema(Size),
      Argument.withDescription("How many agents it is to have")
    ),
    ...durable,
    json
  },
  lazily("pool resize", load, (module, flags) => module.resize(flags))
).pipe(
  Command.withDescription("Make a pool larger or smaller; an agent that answers is not ended"),
  Command.withExamples([{ command: "remote-agent pool resize research 8", description: "Eight agents" }])
)

const terminate = Command.make(
  "terminate",
  { name, yes, ...durable, json },
  lazily("pool terminate", load, (module, flags) => module.terminate(flags))
).pipe(
  Command.withDescription("End a pool with all its agents and their files"),
  Command.withExamples([
    { command: "remote-agent pool terminate research --yes", description: "Without being asked" }
  ])
)

/** `pool`. */
export const pool = Command.make("pool").pipe(
  Command.withDescription("Agents that share the questions put to them"),
  Command.withSubcommands([run, create, list, resize, terminate])
)
