/** Finds a repository by GitHub's id: an agent knows it by the name that it had before it was renamed. */
import { GitHub, type GitHubModel, type WebhookEvent } from "@remote-agent/github"
import { Cache, Effect, Option } from "effect"

/**
 * Answers, for the address of an agent's repository, its parsed name when a push under another name concerns it. GitHub
 * redirects from old names. Without the service `GitHub`, nothing is found.
 */
export const make = Effect.gen(function* () {
  const github = yield* Effect.serviceOption(GitHub.GitHub)
  const ids = yield* Cache.make({
    capacity: 256,
    timeToLive: "5 minutes",
    lookup: (address: string) =>
      Effect.gen(function* () {
        const repo = GitHub.parseRepo(address)
        if (Option.isNone(github) || Option.isNone(repo)) return Option.none<number>()
        return yield* Effect.map(github.value.repository(repo.value), ({ id }) => Option.fromUndefinedOr(id))
      }).pipe(
        Effect.catch((error) =>
          Effect.as(
            Effect.logDebug("The id of an agent's repository could not be determined", error),
            Option.none<number>()
          )
        )
      )
  })

  return (push: WebhookEvent.Push, address: string): Effect.Effect<Option.Option<GitHubModel.Repo>> =>
    push.repositoryId === undefined
      ? Effect.succeedNone
      : Effect.map(Cache.get(ids, address), (id) =>
          Option.contains(id, push.repositoryId) ? GitHub.parseRepo(address) : Option.none()
        )
})
