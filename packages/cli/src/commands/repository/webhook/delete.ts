import { Effect } from "effect"
import type { Run } from "../../../app/Environment.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { command } from "../../shared/command.ts"
import { repo, webhookId } from "../repositoryFlags.ts"
import { withGitHub } from "./withGitHub.ts"

/** `webhook delete`. */
export const remove = command({
  name: "webhook delete",
  at: "machine",
  description: "Delete a webhook. Succeeds when it does not exist",
  flags: { id: webhookId, repo },
  examples: [
    { command: "remote-agent webhook delete 42", description: "By the id that `webhook list` prints" }
  ],
  run: Effect.fn("webhook delete")(function* ({ id, json, repo: name }): Run {
    const { out } = yield* Screen
    yield* withGitHub(name, (github, repository) => github.deleteWebhook(repository, id))
    yield* line(out, json ? jsonText({ id, deleted: true }) : `The webhook ${id} is deleted.`)
  })
})
