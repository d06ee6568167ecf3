import type { RemoteAgentConfig } from "@remote-agent/domain"
import { GitHub, type GitHubModel } from "@remote-agent/github"
import { Effect } from "effect"
import * as App from "../../../app/App.ts"
import type { Environment } from "../../../app/Environment.ts"
import type { Failure } from "../../../ui/Failure.ts"
import * as RepositoryName from "../repositoryName.ts"

/** Works on a repository of GitHub. Fails with `ConfigError` when there is no credential. */
export const withGitHub = <A, E extends Failure>(
  repo: string | undefined,
  work: (
    github: GitHub.GitHub["Service"],
    repository: GitHubModel.Repo
  ) => Effect.Effect<A, E, RemoteAgentConfig.RemoteAgentConfig>
): Effect.Effect<A, Failure, Environment> =>
  Effect.gen(function* () {
    yield* RepositoryName.credential
    return yield* work(yield* GitHub.GitHub, yield* RepositoryName.required(repo))
  }).pipe(Effect.provide(App.onlyGitHub))
