import { Argument, Command } from "effect/cli"
import { answering, app, budget, isolation, json, lazily, question } from "../shared/flags.ts"

/** `ask`. */
export const ask = Command.make(
  "ask",
  {
    question: question.pipe(Argument.withDescription("The question, in quotes")),
    ...answering,
    ...budget("it"),
    ...app,
    json
  },
  lazily(
    "ask",
    () => import("./ask.ts"),
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

/** `demo`. */
export const demo = Command.make(
  "demo",
  { isolation, json },
  lazily(
    "demo",
    () => import("./demo.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Three agents on this machine answer six questions; no account and no key needed"),
  Command.withExamples([{ command: "remote-agent demo", description: "Watch it" }])
)
