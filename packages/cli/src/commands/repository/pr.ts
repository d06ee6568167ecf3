import { Effect } from "effect"
import { Flag } from "effect/cli"
import * as TextInput from "../../app/textInput.ts"
import { command } from "../shared/command.ts"
import { agent, durable, NonBlank, repeatable, text } from "../shared/flags.ts"
import * as AgentRepository from "./agentRepository.ts"
import { base, draft, labels, permissions, permitted } from "./repositoryFlags.ts"

/** `pr create`. */
export const create = command({
  name: "pr create",
  description:
    "Commit an agent's changes, push its branch, and open a pull request or update the one that is open",
  flags: {
    agent,
    title: Flag.String("title").pipe(
      Flag.withSchema(NonBlank),
      Flag.withDescription("The title, which is also the commit message")
    ),
    body: text("body", "The description"),
    bodyFile: text("body-file", "A file with the description"),
    base,
    branch: text("branch", "The branch to push (default: the one that `branch` created, or a new one)"),
    draft,
    label: labels,
    reviewer: repeatable("reviewer", "A user to request a review from"),
    ...permissions,
    ...durable
  },
  examples: [
    {
      command: 'remote-agent pr create coder --title "Fix the parser" --body-file notes.md',
      description: "Print the address of the pull request"
    }
  ],
  run: Effect.fn("pr create")(function* (flags) {
    const body = yield* TextInput.either("body", flags.body, flags.bodyFile)
    yield* AgentRepository.credential
    yield* AgentRepository.withRepository(flags, ({ id }, repositories) =>
      Effect.map(
        repositories.openPullRequest(id, {
          ...permitted(flags),
          title: flags.title,
          body,
          base: flags.base,
          branch: flags.branch,
          draft: flags.draft ? true : undefined,
          labels: flags.label,
          reviewers: flags.reviewer
        }),
        (opened) => ({
          document: AgentRepository.pullRequestOf(opened),
          text: opened.pullRequest.url,
          note: `${AgentRepository.outcomeOf(opened)}: ${opened.branch} at ${opened.commit.slice(0, 12)}.`
        })
      )
    )
  })
})
