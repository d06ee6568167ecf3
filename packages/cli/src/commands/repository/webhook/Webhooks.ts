import { RemoteAgentConfig } from "@remote-agent/domain"
import { GitHub, type GitHubModel } from "@remote-agent/github"
import { Effect, Option, Redacted, Stream } from "effect"
import * as App from "../../../app/App.ts"
import { type Environment, type Failure, type Run, Usage } from "../../../ui/Failure.ts"
import * as RepoName from "../repositoryName.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import * as Table from "../../../ui/Table.ts"

/** The flags of every command here. */
interface RepoFlags {
  readonly repo?: string | undefined
  readonly json: boolean
}

/** Does something with the webhooks of the repository that is meant. */
const withRepo = <A, E extends Failure>(
  { repo }: RepoFlags,
  work: (
    github: GitHub.GitHub["Service"],
    repository: GitHubModel.Repo
  ) => Effect.Effect<A, E, RemoteAgentConfig.RemoteAgentConfig>
): Effect.Effect<A, Failure, Environment> =>
  Effect.gen(function* () {
    yield* RepoName.credential
    return yield* work(yield* GitHub.GitHub, yield* RepoName.needed(repo))
  }).pipe(Effect.provide(App.onlyGitHub))

/** The flags of `webhook create`. */
export interface CreateFlags extends RepoFlags {
  readonly url: string
  readonly event: ReadonlyArray<string>
}

/**
 * Makes a webhook. Its secret is the first of `GITHUB_WEBHOOK_SECRET`; without one it is a new one, which is printed
 * this once.
 */
export const create = Effect.fn("webhook create")(function* (flags: CreateFlags): Run {
  const { note, out } = yield* Screen
  const { protocol } = URL.parse(flags.url) ?? {}
  if (protocol !== "https:" && protocol !== "http:") {
    return yield* new Usage({
      message: "The address is none that GitHub can send to. Say one such as https://example.com/webhook."
    })
  }
  const { known, made } = yield* withRepo(flags, (github, repo) =>
    Effect.gen(function* () {
      const { GITHUB_WEBHOOK_SECRET: secrets } = yield* RemoteAgentConfig.RemoteAgentConfig
      const hooked = yield* github.createWebhook(repo, {
        url: flags.url,
        events: flags.event.length === 0 ? undefined : flags.event,
        secret: secrets?.[0]
      })
      return { made: hooked, known: secrets !== undefined }
    })
  )
  const { hook, outcome } = made
  const secret = known ? undefined : Option.getOrUndefined(Option.map(made.secret, Redacted.value))
  if (flags.json) {
    return yield* line(out, JSON.stringify({ outcome, ...hook, ...(secret === undefined ? {} : { secret }) }))
  }
  yield* line(out, secret === undefined ? String(hook.id) : `${hook.id}\nGITHUB_WEBHOOK_SECRET=${secret}`)
  yield* line(
    note,
    secret === undefined
      ? `The webhook is ${outcome}.`
      : "The webhook is new. Keep its secret: it is not shown again, and `webhook serve` needs it."
  )
})

const row = ({ active, events, id, url }: GitHubModel.Hook) => [
  String(id),
  active ? "active" : "off",
  events.join(","),
  url
]

/** Lists webhooks: a table for people, one document per line for programs. */
export const list = Effect.fn("webhook list")(function* (flags: RepoFlags): Run {
  const { note, out } = yield* Screen
  const hooks = yield* withRepo(flags, (github, repo) => Stream.runCollect(github.listWebhooks(repo)))
  if (flags.json) {
    yield* Effect.forEach(hooks, (hook) => line(out, JSON.stringify(hook)), { discard: true })
    return
  }
  if (hooks.length === 0) return yield* line(note, "There are none.")
  yield* Effect.forEach(
    Table.render([["ID", "STATE", "EVENTS", "URL"], ...hooks.map(row)], out.live ? out.columns() : undefined),
    (text) => line(out, text),
    { discard: true }
  )
})

/** The flags of the commands about one webhook. */
interface HookFlags extends RepoFlags {
  readonly id: number
}

/** Deletes a webhook. */
export const remove = Effect.fn("webhook delete")(function* (flags: HookFlags): Run {
  const { out } = yield* Screen
  yield* withRepo(flags, (github, repo) => github.deleteWebhook(repo, flags.id))
  yield* line(
    out,
    flags.json ? JSON.stringify({ id: flags.id, deleted: true }) : `The webhook ${flags.id} is gone.`
  )
})

/** Has GitHub send a ping. */
export const ping = Effect.fn("webhook ping")(function* (flags: HookFlags): Run {
  const { out } = yield* Screen
  yield* withRepo(flags, (github, repo) => github.pingWebhook(repo, flags.id))
  yield* line(
    out,
    flags.json
      ? JSON.stringify({ id: flags.id, pinged: true })
      : `GitHub sends a ping to webhook ${flags.id}.`
  )
})
