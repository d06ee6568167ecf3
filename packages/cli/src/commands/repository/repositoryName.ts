import { RemoteAgentConfig } from "@remote-agent/domain"
import { GitHub, type GitHubModel } from "@remote-agent/github"
import { Effect, Option } from "effect"
import { Usage } from "../../ui/Failure.ts"

const parsed = (text: string, from: string) =>
  Effect.mapError(
    Effect.fromOption(GitHub.parseRepo(text)),
    () => new Usage({ message: `${from} does not name a repository. Write it as owner/name.` })
  )

/**
 * The repository of `--repo`, or else of `GITHUB_REPO_OWNER` and `GITHUB_REPO_NAME`; none when neither is set. Fails
 * with `Usage` for a text that does not name a repository.
 */
export const given = Effect.fnUntraced(function* (
  repo: string | undefined
): Effect.fn.Return<Option.Option<GitHubModel.Repo>, Usage, RemoteAgentConfig.RemoteAgentConfig> {
  if (repo !== undefined) return Option.some(yield* parsed(repo, "--repo"))
  const { GITHUB_REPO_NAME: name, GITHUB_REPO_OWNER: owner } = yield* RemoteAgentConfig.RemoteAgentConfig
  if (owner === undefined) return Option.none()
  return Option.some(yield* parsed(`${owner}/${name}`, "GITHUB_REPO_OWNER with GITHUB_REPO_NAME"))
})

/** {@link given}, and fails with `Usage` when there is none. */
export const required = Effect.fnUntraced(function* (
  repo: string | undefined
): Effect.fn.Return<GitHubModel.Repo, Usage, RemoteAgentConfig.RemoteAgentConfig> {
  return yield* Effect.mapError(
    Effect.fromOption(yield* given(repo)),
    () =>
      new Usage({
        message:
          "No repository is named. Give --repo owner/name, or set GITHUB_REPO_OWNER and GITHUB_REPO_NAME."
      })
  )
})

/** Fails with `ConfigError` when there is no credential for GitHub. */
export const credential = Effect.gen(function* () {
  const config = yield* RemoteAgentConfig.RemoteAgentConfig
  if (config.GITHUB_APP_ID === undefined) {
    yield* RemoteAgentConfig.requireKeys(config, ["GITHUB_TOKEN"], "working with GitHub")
  }
})
