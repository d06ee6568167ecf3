import { Effect } from "effect"
import { Flag } from "effect/cli"
import { Usage } from "../../ui/Failure.ts"
import * as TextInput from "../../app/textInput.ts"
import { command } from "../shared/command.ts"
import { agent, durable, optional, text } from "../shared/flags.ts"
import * as AgentRepository from "./agentRepository.ts"
import { permissions, permitted } from "./repositoryFlags.ts"

/** `commit`. */
export const commit = command({
  name: "commit",
  description: "Commit an agent's changes in its repository",
  flags: {
    agent,
    message: optional(
      Flag.String("message").pipe(Flag.withAlias("m"), Flag.withDescription("The commit message"))
    ),
    messageFile: text("message-file", "A file with the commit message"),
    ...permissions,
    ...durable
  },
  examples: [{ command: 'remote-agent commit dev -m "Fix the parser"', description: "All changes" }],
  run: Effect.fn("commit")(function* (flags) {
    const message = yield* TextInput.either("message", flags.message, flags.messageFile)
    if (message === undefined || message.trim() === "") {
      return yield* new Usage({ message: "There is no commit message. Give --message or --message-file." })
    }
    yield* AgentRepository.withRepository(flags, ({ id }, repositories) =>
      Effect.map(repositories.commit(id, { ...permitted(flags), message }), (committed) => ({
        document: committed,
        text: AgentRepository.headOf(committed),
        note: committed.files.join("\n")
      }))
    )
  })
})
