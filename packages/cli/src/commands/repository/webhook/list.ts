import type { GitHubModel } from "@remote-agent/github"
import { Effect, Stream } from "effect"
import type { Run } from "../../../app/Environment.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import * as Table from "../../../ui/Table.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { command } from "../../shared/command.ts"
import { repo } from "../repositoryFlags.ts"
import { withGitHub } from "./withGitHub.ts"

const rowOf = ({ active, events, id, url }: GitHubModel.Hook) => [
  String(id),
  active ? "active" : "off",
  events.join(","),
  url
]

/** `webhook list`. */
export const list = command({
  name: "webhook list",
  at: "machine",
  alias: "ls",
  description: "List the webhooks of a repository; with --json one document per line",
  flags: { repo },
  examples: [{ command: "remote-agent webhook list --repo octocat/hello", description: "Of a repository" }],
  run: Effect.fn("webhook list")(function* (flags): Run {
    const { note, out } = yield* Screen
    const hooks = yield* withGitHub(flags.repo, (github, repository) =>
      Stream.runCollect(github.listWebhooks(repository))
    )
    if (hooks.length === 0) return yield* line(note, "There are no webhooks.")
    if (flags.json) {
      return yield* Effect.forEach(hooks, (hook) => line(out, jsonText(hook)), { discard: true })
    }
    const table = Table.render([["ID", "STATE", "EVENTS", "URL"], ...hooks.map(rowOf)], Table.widthOf(out))
    yield* line(out, table.join("\n"))
  })
})
