import { Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { app, isolation, json, lazily, optional, question, timeout } from "./Flags.ts"

const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))

/** `ask`. */
export const ask = Command.make(
  "ask",
  {
    question: question.pipe(Argument.withDescription("The question, in quotes")),
    ...app,
    timeout,
    json
  },
  lazily(
    "ask",
    () => import("./Ask.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Ask one question of an agent of its own, which is gone afterwards"),
  Command.withExamples([
    { command: 'remote-agent ask "What was Tesla\'s revenue in 2024?"', description: "Print the answer" },
    {
      command: 'remote-agent ask --json "Compare Apple and Microsoft"',
      description: "Print one JSON document"
    }
  ])
)

/** `pool`. */
export const pool = Command.make(
  "pool",
  {
    questions: question.pipe(Argument.withDescription("A question, in quotes"), Argument.variadic()),
    file: optional(Flag.String("file").pipe(Flag.withDescription("A file with a question per line"))),
    size: optional(
      Flag.Int("size").pipe(Flag.withSchema(Size), Flag.withDescription("How many agents (default: 3)"))
    ),
    order: Flag.Literals("order", ["input", "completion"]).pipe(
      Flag.withDefault("input"),
      Flag.withDescription("Print answers in the order of the questions, or as they come")
    ),
    ...app,
    timeout,
    json
  },
  lazily(
    "pool",
    () => import("./Pool.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Put many questions to a pool of agents, which is gone afterwards"),
  Command.withExamples([
    {
      command: 'remote-agent pool "Tesla revenue 2024" "Apple revenue 2024"',
      description: "Two questions at once"
    },
    {
      command: "remote-agent pool --file questions.txt --size 5 --json",
      description: "One JSON document per line"
    }
  ])
)

/** `demo`. */
export const demo = Command.make(
  "demo",
  { isolation, json },
  lazily(
    "demo",
    () => import("./Demo.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Three agents on this machine answer six questions; no account and no key needed"),
  Command.withExamples([{ command: "remote-agent demo", description: "Watch it" }])
)
