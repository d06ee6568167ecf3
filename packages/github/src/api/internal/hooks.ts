import type { GitHubError } from "@remote-agent/domain"
import { Effect, Option, Redacted, Schema, Stream } from "effect"
import { randomBytes } from "node:crypto"
import type * as Model from "../model.ts"
import * as GitHubRequests from "./requests.ts"
import * as Wire from "./wire.ts"

/** What is wanted of the webhook for an address. */
export interface HookSpec {
  readonly url: string
  /** `push` and `pull_request` when absent. */
  readonly events?: ReadonlyArray<string> | undefined
  /** What deliveries are signed with. When absent, a new hook gets a random one, and one that is there keeps its own. */
  readonly secret?: Redacted.Redacted | undefined
}

/** What became of a wish for a webhook. */
export interface Hooked {
  readonly hook: Model.Hook
  readonly outcome: "created" | "updated" | "unchanged"
  /** What deliveries are signed with from now on. Not known when the hook was there and kept its own: GitHub never tells. */
  readonly secret: Option.Option<Redacted.Redacted>
}

/** What a webhook is told when nothing else is said. */
export const defaultEvents: ReadonlyArray<string> = ["push", "pull_request"]

/** A secret that nobody guesses: 256 random bits, in hexadecimal digits. */
export const randomSecret: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(randomBytes(32).toString("hex"))
)

const same = (a: ReadonlyArray<string>, b: ReadonlyArray<string>) =>
  a.length === b.length && new Set([...a, ...b]).size === new Set(a).size

const config = ({ secret, url }: HookSpec) => ({
  url,
  content_type: "json",
  insecure_ssl: "0",
  ...(secret === undefined ? {} : { secret: Redacted.value(secret) })
})

/** The hook for an address among others: the oldest, if there are several. */
export const find = (hooks: ReadonlyArray<Model.Hook>, url: string): Option.Option<Model.Hook> =>
  Option.fromUndefinedOr(hooks.filter((hook) => hook.url === url).toSorted((a, b) => a.id - b.id)[0])

/** Whether a hook sends what is wanted, as the receiver wants it. */
export const isAsWanted = (hook: Model.Hook, events: ReadonlyArray<string>): boolean =>
  hook.active && hook.contentType === "json" && same(hook.events, events)

export const make = (requests: GitHubRequests.GitHubRequests) => {
  const list = (repo: Model.Repo, operation: GitHubError.Operation) =>
    requests
      .pages(GitHubRequests.about(repo, operation, "GET {repo}/hooks"), Schema.Array(Wire.Hook))
      .pipe(Stream.flatMap((page) => Stream.fromIterable(page.map(Wire.hook))))

  const existing = (repo: Model.Repo, url: string) =>
    Effect.map(Stream.runCollect(list(repo, "createWebhook")), (hooks) => find(hooks, url))

  const adjust = Effect.fnUntraced(function* (repo: Model.Repo, hook: Model.Hook, spec: HookSpec) {
    const events = spec.events ?? defaultEvents
    if (spec.secret === undefined && isAsWanted(hook, events)) {
      return { hook, outcome: "unchanged" as const, secret: Option.none() }
    }
    const hookId = { hook_id: hook.id }
    // A config that is given with the hook takes the place of the whole one, its secret too.
    yield* requests.run({
      ...GitHubRequests.about(
        repo,
        "createWebhook",
        "PATCH {repo}/hooks/{hook_id}/config",
        hookId,
        config(spec)
      ),
      secrets: spec.secret === undefined ? [] : [spec.secret]
    })
    const wire = yield* requests.send(
      GitHubRequests.about(repo, "createWebhook", "PATCH {repo}/hooks/{hook_id}", hookId, {
        active: true,
        events
      }),
      Wire.Hook
    )
    return { hook: Wire.hook(wire), outcome: "updated" as const, secret: Option.fromUndefinedOr(spec.secret) }
  })

  const create = (repo: Model.Repo, spec: HookSpec, secret: Redacted.Redacted) => {
    const body = {
      name: "web",
      active: true,
      events: spec.events ?? defaultEvents,
      config: config({ ...spec, secret })
    }
    const asked = GitHubRequests.about(repo, "createWebhook", "POST {repo}/hooks", {}, body)
    return requests.send({ ...asked, secrets: [secret] }, Wire.Hook)
  }

  const createWebhook = Effect.fn("GitHub.createWebhook")(function* (
    repo: Model.Repo,
    spec: HookSpec
  ): Effect.fn.Return<Hooked, GitHubError.GitHubError> {
    const found = yield* existing(repo, spec.url)
    if (Option.isSome(found)) return yield* adjust(repo, found.value, spec)
    const secret = spec.secret ?? (yield* randomSecret)
    return yield* create(repo, spec, secret).pipe(
      Effect.map((wire): Hooked => ({
        hook: Wire.hook(wire),
        outcome: "created",
        secret: Option.some(secret)
      })),
      Effect.catchIf(
        (error) => error.reason._tag === "Invalid" || GitHubRequests.isLost(error),
        (error) =>
          Effect.gen(function* () {
            const now = yield* existing(repo, spec.url)
            if (Option.isNone(now)) return yield* error
            // Of a hook whose making was not confirmed nobody may know the secret, so it gets the one we know.
            return yield* adjust(repo, now.value, GitHubRequests.isLost(error) ? { ...spec, secret } : spec)
          })
      )
    )
  })

  return {
    createWebhook,
    listWebhooks: (repo: Model.Repo) => list(repo, "listWebhooks"),
    deleteWebhook: Effect.fn("GitHub.deleteWebhook")((repo: Model.Repo, id: number) =>
      Effect.catchReason(
        requests.run(
          GitHubRequests.about(repo, "deleteWebhook", "DELETE {repo}/hooks/{hook_id}", { hook_id: id })
        ),
        "GitHubError",
        "NotFound",
        // Who may not delete hooks gets the same answer as who is too late; the list tells the one from the other.
        (_, error) =>
          list(repo, "deleteWebhook").pipe(
            Stream.filter((hook) => hook.id === id),
            Stream.runHead,
            Effect.flatMap((there) => (Option.isSome(there) ? Effect.fail(error) : Effect.void))
          )
      )
    ),
    pingWebhook: Effect.fn("GitHub.pingWebhook")((repo: Model.Repo, id: number) =>
      requests.run(
        GitHubRequests.about(repo, "pingWebhook", "POST {repo}/hooks/{hook_id}/pings", { hook_id: id })
      )
    )
  }
}
