import { Effect } from "effect"
import { Argument } from "effect/cli"
import { command } from "../shared/command.ts"
import { agent, durable, text } from "../shared/flags.ts"
import * as AgentRepository from "./agentRepository.ts"

/** `branch`. */
export const branch = command({
  name: "branch",
  description: "Create a branch in the repository of an agent, and check it out",
  flags: {
    agent,
    name: Argument.String("name").pipe(Argument.withDescription("The name of the branch")),
    from: text("from", "Where it starts (default: the current commit)"),
    ...durable
  },
  examples: [
    { command: "remote-agent branch dev fix-parser", description: "From the current commit" },
    { command: "remote-agent branch dev fix-parser --from v1.2.0", description: "From a tag" }
  ],
  run: Effect.fn("branch")((flags) =>
    AgentRepository.withRepository(flags, ({ id }, repositories) =>
      Effect.map(repositories.branch(id, flags.name, flags.from), (head) => ({
        document: head,
        text: AgentRepository.headOf(head)
      }))
    )
  )
})
