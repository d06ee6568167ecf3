import { GitHub, GitHubModel } from "@remote-agent/github"
import { Effect, Schema, Stream } from "effect"
import { Flag } from "effect/cli"
import * as App from "../../../app/App.ts"
import type { Run } from "../../../app/Environment.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import * as Table from "../../../ui/Table.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { command } from "../../shared/command.ts"
import { repeatable } from "../../shared/flags.ts"
import { repo } from "../repositoryFlags.ts"
import * as RepositoryName from "../repositoryName.ts"

const encode = Schema.encodeSync(Schema.toCodecJson(GitHubModel.Issue))

const rowOf = ({ labels, number, state, title }: GitHubModel.Issue) => [
  `#${number}`,
  state,
  title.replaceAll(/[\s\p{Cc}]+/gu, " "),
  labels.join(", ")
]

/** `issue list`. */
export const list = command({
  name: "issue list",
  at: "machine",
  alias: "ls",
  description: "List the issues of a repository; with --json one document per line",
  flags: {
    state: Flag.Literals("state", ["open", "closed", "all"]).pipe(
      Flag.withDescription("Only issues in this state (default: open)"),
      Flag.withDefault("open")
    ),
    label: repeatable("label", "Only issues with this label"),
    limit: Flag.Int("limit").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0))),
      Flag.withDescription("How many issues, newest first"),
      Flag.withDefault(30)
    ),
    repo
  },
  examples: [{ command: "remote-agent issue list --label bug --limit 10", description: "Open issues" }],
  run: Effect.fn("issue list")(function* (flags): Run {
    const { note, out } = yield* Screen
    const issues = yield* Effect.gen(function* () {
      const [github, repository] = [yield* GitHub.GitHub, yield* RepositoryName.required(flags.repo)]
      const filter = { state: flags.state, ...(flags.label.length === 0 ? {} : { labels: flags.label }) }
      return yield* Stream.runCollect(Stream.take(github.listIssues(repository, filter), flags.limit))
    }).pipe(Effect.provide(App.onlyGitHub))
    if (issues.length === 0) return yield* line(note, "There are no such issues.")
    if (flags.json) {
      return yield* Effect.forEach(issues, (issue) => line(out, jsonText(encode(issue))), {
        discard: true
      })
    }
    const table = Table.render(
      [["ISSUE", "STATE", "TITLE", "LABELS"], ...issues.map(rowOf)],
      Table.widthOf(out)
    )
    yield* line(out, table.join("\n"))
  })
})
