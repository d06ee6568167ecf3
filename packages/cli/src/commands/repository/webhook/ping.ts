import { Effect } from "effect"
import type { Run } from "../../../app/Environment.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { command } from "../../shared/command.ts"
import { repo, webhookId } from "../repositoryFlags.ts"
import { withGitHub } from "./withGitHub.ts"

/** `webhook ping`. */
export const ping = command({
  name: "webhook ping",
  at: "machine",
  description: "Make GitHub send a ping to a webhook",
  flags: { id: webhookId, repo },
  examples: [
    { command: "remote-agent webhook ping 42", description: "To see whether its deliveries arrive" }
  ],
  run: Effect.fn("webhook ping")(function* ({ id, json, repo: name }): Run {
    const { out } = yield* Screen
    yield* withGitHub(name, (github, repository) => github.pingWebhook(repository, id))
    yield* line(out, json ? jsonText({ id, pinged: true }) : `GitHub sends a ping to webhook ${id}.`)
  })
})
