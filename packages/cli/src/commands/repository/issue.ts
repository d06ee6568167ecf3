import { GitHub, GitHubModel } from "@remote-agent/github"
import { Effect, Schema, Stream } from "effect"
import * as App from "../../app/App.ts"
import type { Run } from "../../ui/Failure.ts"
import * as RepoName from "./repositoryName.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import * as TextFile from "../../ui/textInput.ts"

/** The flags of `issue create`. */
export interface CreateFlags {
  readonly title: string
  readonly body?: string | undefined
  readonly bodyFile?: string | undefined
  readonly label: ReadonlyArray<string>
  readonly assignee: ReadonlyArray<string>
  readonly repo?: string | undefined
  readonly json: boolean
}

const document = Schema.encodeSync(Schema.toCodecJson(GitHubModel.Issue))

/** Opens an issue and prints its address. */
export const create = Effect.fn("issue create")(function* (flags: CreateFlags): Run {
  const { out } = yield* Screen
  const body = yield* TextFile.either("body", flags.body, flags.bodyFile)
  const issue = yield* Effect.gen(function* () {
    yield* RepoName.credential
    const [github, repo] = [yield* GitHub.GitHub, yield* RepoName.needed(flags.repo)]
    return yield* github.createIssue(repo, {
      title: flags.title,
      body,
      labels: flags.label,
      assignees: flags.assignee
    })
  }).pipe(Effect.provide(App.onlyGitHub))
  yield* line(out, flags.json ? JSON.stringify(document(issue)) : issue.url)
})

/** The flags of `issue list`. */
export interface ListFlags {
  readonly state: "open" | "closed" | "all"
  readonly label: ReadonlyArray<string>
  readonly limit: number
  readonly repo?: string | undefined
  readonly json: boolean
}

const row = ({ labels, number, state, title }: GitHubModel.Issue) => [
  `#${number}`,
  state,
  title.replaceAll(/[\s\p{Cc}]+/gu, " "),
  labels.join(", ")
]

/** Lists issues: a table for people, one document per line for programs. */
export const list = Effect.fn("issue list")(function* (flags: ListFlags): Run {
  const { note, out } = yield* Screen
  const issues = yield* Effect.gen(function* () {
    const [github, repo] = [yield* GitHub.GitHub, yield* RepoName.needed(flags.repo)]
    const filter = { state: flags.state, ...(flags.label.length === 0 ? {} : { labels: flags.label }) }
    return yield* Stream.runCollect(Stream.take(github.listIssues(repo, filter), flags.limit))
  }).pipe(Effect.provide(App.onlyGitHub))
  if (flags.json) {
    yield* Effect.forEach(issues, (issue) => line(out, JSON.stringify(document(issue))), { discard: true })
    return
  }
  if (issues.length === 0) return yield* line(note, "There are none.")
  yield* Effect.forEach(
    Table.render(
      [["ISSUE", "STATE", "TITLE", "LABELS"], ...issues.map(row)],
      out.live ? out.columns() : undefined
    ),
    (text) => line(out, text),
    { discard: true }
  )
})
