import { GitHub, GitHubModel } from "@remote-agent/github"
import { Effect, Schema } from "effect"
import { Flag } from "effect/cli"
import * as App from "../../../app/App.ts"
import type { Run } from "../../../app/Environment.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import * as TextInput from "../../../app/textInput.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { command } from "../../shared/command.ts"
import { NonBlank, repeatable, text } from "../../shared/flags.ts"
import { labels, repo } from "../repositoryFlags.ts"
import * as RepositoryName from "../repositoryName.ts"

const encode = Schema.encodeSync(Schema.toCodecJson(GitHubModel.Issue))

/** `issue create`. */
export const create = command({
  name: "issue create",
  at: "machine",
  description: "Open an issue, and print its address",
  flags: {
    title: Flag.String("title").pipe(Flag.withSchema(NonBlank), Flag.withDescription("The title")),
    body: text("body", "The description"),
    bodyFile: text("body-file", "A file with the description"),
    label: labels,
    assignee: repeatable("assignee", "A user to assign"),
    repo
  },
  examples: [
    { command: 'remote-agent issue create --title "Wrong total" --label bug', description: "With a label" }
  ],
  run: Effect.fn("issue create")(function* (flags): Run {
    const { out } = yield* Screen
    const body = yield* TextInput.either("body", flags.body, flags.bodyFile)
    const issue = yield* Effect.gen(function* () {
      yield* RepositoryName.credential
      const [github, repository] = [yield* GitHub.GitHub, yield* RepositoryName.required(flags.repo)]
      return yield* github.createIssue(repository, {
        title: flags.title,
        body,
        labels: flags.label,
        assignees: flags.assignee
      })
    }).pipe(Effect.provide(App.onlyGitHub))
    yield* line(out, flags.json ? jsonText(encode(issue)) : issue.url)
  })
})
