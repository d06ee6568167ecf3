import { Effect } from "effect"
import { command } from "../shared/command.ts"
import { agent, durable } from "../shared/flags.ts"
import * as AgentRepository from "./agentRepository.ts"

/** `pull`. */
export const pull = command({
  name: "pull",
  description: "Update the repository of an agent to the newest commit of its branch",
  flags: { agent, ...durable },
  examples: [{ command: "remote-agent pull dev", description: "To the newest commit of its branch" }],
  run: Effect.fn("pull")((flags) =>
    AgentRepository.withRepository(flags, ({ id }, repositories) =>
      Effect.map(repositories.pull(id), (pulled) => ({
        document: pulled,
        text: AgentRepository.headOf(pulled),
        note: pulled.before === pulled.commit ? "Already up to date." : undefined
      }))
    )
  )
})
