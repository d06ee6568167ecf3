import { Effect } from "effect"
import { command } from "../shared/command.ts"
import { agent, durable, text } from "../shared/flags.ts"
import * as AgentRepository from "./agentRepository.ts"
import { permissions, permitted } from "./repositoryFlags.ts"

/** `push`. */
export const push = command({
  name: "push",
  description: "Push a branch of the repository of an agent",
  flags: {
    agent,
    branch: text("branch", "The branch (default: the one that `branch` or `pr create` created last)"),
    ...permissions,
    ...durable
  },
  examples: [
    { command: "remote-agent push dev", description: "The branch that it works on" },
    { command: "remote-agent push dev --branch fix-parser", description: "A named branch" }
  ],
  run: Effect.fn("push")(function* (flags) {
    yield* AgentRepository.credential
    yield* AgentRepository.withRepository(flags, ({ id }, repositories) =>
      Effect.map(repositories.push(id, { ...permitted(flags), branch: flags.branch }), (pushed) => ({
        document: pushed,
        text: AgentRepository.headOf(pushed)
      }))
    )
  })
})
