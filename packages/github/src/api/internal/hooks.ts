/** Webhooks: one per address, created or brought to the wanted state. */
import type { GitHubError } from "@remote-agent/domain"
import { Effect, Option, Redacted, Schema, Stream } from "effect"
import { randomBytes } from "node:crypto"
import type * as Model from "../model.ts"
import { forRepo, isAmbiguous } from "./request.ts"
import type { GitHubRequests } from "./requests.ts"
import * as Wire from "./wire.ts"

/** The default events. */
export const defaultEvents: ReadonlyArray<string> = ["push", "pull_request"]

/** A signing secret of 256 random bits, in hexadecimal digits. */
export const randomSecret: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(randomBytes(32).toString("hex"))
)

const same = (a: ReadonlyArray<string>, b: ReadonlyArray<string>) =>
  a.length === b.length && new Set([...a, ...b]).size === new Set(a).size

const config = ({ secret, url }: Model.HookSpec) => ({
  url,
  content_type: "json",
  insecure_ssl: "0",
  ...(secret === undefined ? {} : { secret: Redacted.value(secret) })
})

/** The hook for an address; the oldest of several. */
export const find = (hooks: ReadonlyArray<Model.Hook>, url: string): Option.Option<Model.Hook> =>
  Option.fromUndefinedOr(hooks.filter((hook) => hook.url === url).toSorted((a, b) => a.id - b.id)[0])

/** Whether a hook is active and sends these events as JSON. */
export const isAsWanted = (hook: Model.Hook, events: ReadonlyArray<string>): boolean =>
  hook.active && hook.contentType === "json" && same(hook.events, events)

/** The webhook methods of `GitHub`. */
export const make = (requests: GitHubRequests) => {
  const list = (repo: Model.Repo, operation: GitHubError.Operation) =>
    requests
      .pages(forRepo(repo, operation, "GET {repo}/hooks"), Schema.Array(Wire.Hook))
      .pipe(Stream.flatMap((page) => Stream.fromIterable(page.map(Wire.hook))))

  const existing = (repo: Model.Repo, url: string) =>
    Effect.map(Stream.runCollect(list(repo, "createWebhook")), (hooks) => find(hooks, url))

  const adjust = Effect.fnUntraced(function* (repo: Model.Repo, hook: Model.Hook, spec: Model.HookSpec) {
    const events = spec.events ?? defaultEvents
    if (spec.secret === undefined && isAsWanted(hook, events)) {
      return { hook, outcome: "unchanged" as const, secret: Option.none() }
    }
    const hookId = { hook_id: hook.id }
    // A `config` in the update of a hook replaces the whole config, including the secret. This route merges it.
    yield* requests.run({
      ...forRepo(repo, "createWebhook", "PATCH {repo}/hooks/{hook_id}/config", hookId, config(spec)),
      secrets: spec.secret === undefined ? [] : [spec.secret]
    })
    const wire = yield* requests.send(
      forRepo(repo, "createWebhook", "PATCH {repo}/hooks/{hook_id}", hookId, {
        active: true,
        events
      }),
      Wire.Hook
    )
    return { hook: Wire.hook(wire), outcome: "updated" as const, secret: Option.fromUndefinedOr(spec.secret) }
  })

  const create = (repo: Model.Repo, spec: Model.HookSpec, secret: Redacted.Redacted) => {
    const body = {
      name: "web",
      active: true,
      events: spec.events ?? defaultEvents,
      config: config({ ...spec, secret })
    }
    const asked = forRepo(repo, "createWebhook", "POST {repo}/hooks", {}, body)
    return requests.send({ ...asked, secrets: [secret] }, Wire.Hook)
  }

  const createWebhook = Effect.fn("GitHub.createWebhook")(function* (
    repo: Model.Repo,
    spec: Model.HookSpec
  ): Effect.fn.Return<Model.CreatedHook, GitHubError.GitHubError> {
    const found = yield* existing(repo, spec.url)
    if (Option.isSome(found)) return yield* adjust(repo, found.value, spec)
    const secret = spec.secret ?? (yield* randomSecret)
    return yield* create(repo, spec, secret).pipe(
      Effect.map((wire): Model.CreatedHook => ({
        hook: Wire.hook(wire),
        outcome: "created",
        secret: Option.some(secret)
      })),
      Effect.catchIf(
        (error) => error.reason._tag === "Invalid" || isAmbiguous(error),
        (error) =>
          Effect.gen(function* () {
            const now = yield* existing(repo, spec.url)
            if (Option.isNone(now)) return yield* error
            // The secret of a hook whose creation was not confirmed may be lost, so it is set again.
            return yield* adjust(repo, now.value, isAmbiguous(error) ? { ...spec, secret } : spec)
          })
      )
    )
  })

  return {
    createWebhook,
    listWebhooks: (repo: Model.Repo) => list(repo, "listWebhooks"),
    deleteWebhook: Effect.fn("GitHub.deleteWebhook")((repo: Model.Repo, id: number) =>
      Effect.catchReason(
        requests.run(forRepo(repo, "deleteWebhook", "DELETE {repo}/hooks/{hook_id}", { hook_id: id })),
        "GitHubError",
        "NotFound",
        // GitHub gives the same answer without permission and for a hook that is gone. The list tells which it is.
        (_, error) =>
          list(repo, "deleteWebhook").pipe(
            Stream.filter((hook) => hook.id === id),
            Stream.runHead,
            Effect.flatMap((there) => (Option.isSome(there) ? Effect.fail(error) : Effect.void))
          )
      )
    ),
    pingWebhook: Effect.fn("GitHub.pingWebhook")((repo: Model.Repo, id: number) =>
      requests.run(forRepo(repo, "pingWebhook", "POST {repo}/hooks/{hook_id}/pings", { hook_id: id }))
    )
  }
}
