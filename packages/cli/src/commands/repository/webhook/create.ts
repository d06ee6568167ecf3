import { RemoteAgentConfig } from "@remote-agent/domain"
import { Effect, Option, Redacted } from "effect"
import { Argument } from "effect/cli"
import type { Run } from "../../../app/Environment.ts"
import { Usage } from "../../../ui/Failure.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { command } from "../../shared/command.ts"
import { repeatable } from "../../shared/flags.ts"
import { repo } from "../repositoryFlags.ts"
import { withGitHub } from "./withGitHub.ts"

/** `webhook create`. */
export const create = command({
  name: "webhook create",
  at: "machine",
  description:
    "Create a webhook, or update the one with that address. Its secret is GITHUB_WEBHOOK_SECRET, or a new one that is printed",
  flags: {
    url: Argument.String("url").pipe(Argument.withDescription("The address that GitHub sends deliveries to")),
    event: repeatable("event", "An event to deliver (default: push and pull_request)"),
    repo
  },
  examples: [
    {
      command: "remote-agent webhook create https://example.com/webhook",
      description: "For pushes and pull requests"
    }
  ],
  run: Effect.fn("webhook create")(function* (flags): Run {
    const { note, out } = yield* Screen
    const { protocol } = URL.parse(flags.url) ?? {}
    if (protocol !== "https:" && protocol !== "http:") {
      return yield* new Usage({
        message: "GitHub cannot send to this address. Give one such as https://example.com/webhook."
      })
    }
    const { created, isKnown } = yield* withGitHub(flags.repo, (github, repository) =>
      Effect.gen(function* () {
        const { GITHUB_WEBHOOK_SECRET: secrets } = yield* RemoteAgentConfig.RemoteAgentConfig
        const webhook = yield* github.createWebhook(repository, {
          url: flags.url,
          events: flags.event.length === 0 ? undefined : flags.event,
          secret: secrets?.[0]
        })
        return { created: webhook, isKnown: secrets !== undefined }
      })
    )
    const { hook, outcome } = created
    // A secret of the settings is not shown.
    const secret = isKnown ? undefined : Option.getOrUndefined(Option.map(created.secret, Redacted.value))
    if (flags.json) {
      return yield* line(out, jsonText({ outcome, ...hook, ...(secret === undefined ? {} : { secret }) }))
    }
    yield* line(out, secret === undefined ? String(hook.id) : `${hook.id}\nGITHUB_WEBHOOK_SECRET=${secret}`)
    yield* line(
      note,
      secret === undefined
        ? `The webhook is ${outcome}.`
        : "The webhook is new. Keep its secret: it is not shown again, and `webhook serve` needs it."
    )
  })
})
