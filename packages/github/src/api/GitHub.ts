import { RemoteAgentConfig, GitHubError } from "@remote-agent/domain"
import { Context, Effect, Layer, Option, type Redacted, Schema, Stream } from "effect"
import * as GitHubHooks from "./internal/hooks.ts"
import * as GitHubMemory from "../testing/GitHubMemory.ts"
import * as Model from "./model.ts"
import * as GitHubPulls from "./internal/pulls.ts"
import * as GitHubRequests from "./internal/requests.ts"
import * as Wire from "./internal/wire.ts"

type Failing<A> = Effect.Effect<A, GitHubError.GitHubError>
type Listing<A> = Stream.Stream<A, GitHubError.GitHubError>

/**
 * GitHub's REST API, as far as agents need it. All failures are `GitHubError`s.
 *
 * Limits of GitHub are waited for, and what may be repeated is repeated, both within the patience of the layer. What
 * creates something each time (`comment`, `createIssue`) is not repeated when its reply is lost.
 */
export class GitHub extends Context.Service<
  GitHub,
  {
    /** A token for git over HTTPS that is good for five minutes at least; none when there is no credential. */
    readonly token: Failing<Option.Option<Redacted.Redacted>>
    /** `NotFound` also means that we may not see it. */
    readonly repository: (repo: Model.Repo) => Failing<Model.Repository>
    /** The newest commit of a branch, or of the default branch. */
    readonly latestCommit: (repo: Model.Repo, branch?: string) => Failing<Model.Commit>
    /**
     * Opens a pull request for a branch, or brings the open one up to date, and says which. However many ask for the
     * same one at the same time, there is one. Fails with `Invalid` when the branch is missing or has nothing new.
     */
    readonly createPullRequest: (
      repo: Model.Repo,
      spec: Model.PullRequestSpec
    ) => Failing<GitHubPulls.Proposed>
    readonly pullRequest: (repo: Model.Repo, number: number) => Failing<Model.PullRequest>
    /** Every page, each read when it is needed. */
    readonly pullRequests: (repo: Model.Repo, filter?: Model.PullRequestFilter) => Listing<Model.PullRequest>
    /** Comments on an issue or a pull request. */
    readonly comment: (repo: Model.Repo, number: number, body: string) => Failing<Model.Comment>
    readonly createIssue: (repo: Model.Repo, spec: Model.IssueSpec) => Failing<Model.Issue>
    /** Every page, each read when it is needed; pull requests are left out. */
    readonly listIssues: (repo: Model.Repo, filter?: Model.IssueFilter) => Listing<Model.Issue>
    /** The check runs and the statuses of a commit, a branch or a tag. */
    readonly checks: (repo: Model.Repo, ref: string) => Failing<Model.Checks>
    /** Makes a webhook for an address, or brings the one that is there up to date, and says which. */
    readonly createWebhook: (repo: Model.Repo, spec: GitHubHooks.HookSpec) => Failing<GitHubHooks.Hooked>
    readonly listWebhooks: (repo: Model.Repo) => Listing<Model.Hook>
    /** Succeeds when it is gone already. */
    readonly deleteWebhook: (repo: Model.Repo, id: number) => Failing<void>
    /** Makes GitHub send a `ping`. */
    readonly pingWebhook: (repo: Model.Repo, id: number) => Failing<void>
    /** Succeeds when it is gone already. */
    readonly deleteBranch: (repo: Model.Repo, branch: string) => Failing<void>
  }
>()("@remote-agent/github/GitHub") {}

const part = /^[\w.-]{1,100}$/

/**
 * Reads `owner/name`, or the address of a repository at any host over HTTPS or SSH. None for anything else, and for
 * names that GitHub does not allow.
 */
export const parseRepo = (text: string): Option.Option<Model.Repo> => {
  const path = text
    .trim()
    .replace(/^(?:https?:\/\/[^/]+\/|ssh:\/\/[^/]+\/|git@[^:/]+:)/, "")
    .replace(/\/+$/, "")
    .replace(/\.git$/, "")
  const [owner = "", name = "", ...rest] = path.split("/")
  const isRepo = rest.length === 0 && [owner, name].every((one) => part.test(one) && !/^\.{1,2}$/.test(one))
  return isRepo ? Option.some({ owner, name }) : Option.none()
}

/** GitHub over its REST API. */
export const make = Effect.fnUntraced(function* (connection: GitHubRequests.Connection) {
  const requests: GitHubRequests.GitHubRequests = yield* GitHubRequests.make(connection)

  const repositoryFor = (operation: GitHubError.Operation, repo: Model.Repo) =>
    Effect.map(
      requests.send(GitHubRequests.about(repo, operation, "GET {repo}"), Wire.Repository),
      Wire.repository
    )

  const pulls = GitHubPulls.make(requests, (repo) =>
    Effect.map(repositoryFor("createPullRequest", repo), ({ defaultBranch }) => defaultBranch)
  )

  const latestCommit = Effect.fn("GitHub.latestCommit")((repo: Model.Repo, branch?: string) =>
    branch === undefined
      ? Effect.map(
          requests.send(GitHubRequests.about(repo, "latestCommit", "GET {repo}/commits/HEAD"), Wire.Commit),
          Wire.commit
        )
      : // Of a commit, the name could also be that of a tag.
        Effect.map(
          requests.send(
            GitHubRequests.about(repo, "latestCommit", "GET {repo}/branches/{branch}", { branch }),
            Wire.Branch
          ),
          ({ commit }) => Wire.commit(commit)
        )
  )

  const checks = Effect.fn("GitHub.checks")(function* (repo: Model.Repo, ref: string) {
    const all = <A>(route: string, schema: Schema.Codec<A, unknown>) =>
      Stream.runCollect(requests.pages(GitHubRequests.about(repo, "checks", route, { ref }), schema))
    const [runs, statuses] = yield* Effect.all(
      [
        all("GET {repo}/commits/{ref}/check-runs", Wire.CheckRuns),
        all("GET {repo}/commits/{ref}/status", Wire.Statuses)
      ],
      { concurrency: 2 }
    )
    const found = [...runs.flatMap(Wire.checkRuns), ...statuses.flatMap(Wire.statuses)]
    return { sha: statuses[0]?.sha ?? ref, state: Model.verdict(found), checks: found }
  })

  return GitHub.of({
    ...pulls,
    ...GitHubHooks.make(requests),
    token: Effect.withSpan(requests.token, "GitHub.token"),
    repository: Effect.fn("GitHub.repository")((repo) => repositoryFor("repository", repo)),
    latestCommit,
    comment: Effect.fn("GitHub.comment")((repo, number, body) =>
      Effect.map(
        requests.send(
          GitHubRequests.about(
            repo,
            "comment",
            "POST {repo}/issues/{issue_number}/comments",
            { issue_number: number },
            { body }
          ),
          Wire.Comment
        ),
        Wire.comment
      )
    ),
    createIssue: Effect.fn("GitHub.createIssue")((repo, spec) =>
      Effect.map(
        requests.send(GitHubRequests.about(repo, "createIssue", "POST {repo}/issues", {}, spec), Wire.Issue),
        Wire.issue
      )
    ),
    listIssues: (repo, filter = {}) =>
      requests
        .pages(
          GitHubRequests.about(repo, "listIssues", "GET {repo}/issues", {
            state: filter.state ?? "open",
            ...(filter.labels === undefined ? {} : { labels: filter.labels.join(",") })
          }),
          Schema.Array(Wire.Issue)
        )
        .pipe(
          Stream.flatMap((page) => Stream.fromIterable(page)),
          Stream.filter((wire) => wire.pull_request === undefined),
          Stream.map(Wire.issue)
        ),
    checks,
    deleteBranch: Effect.fn("GitHub.deleteBranch")((repo, branch) => {
      const ask = (route: string, parameters: Readonly<Record<string, unknown>>) =>
        requests.run(GitHubRequests.about(repo, "deleteBranch", route, parameters))
      return Effect.catchReason(
        ask("DELETE {repo}/git/refs/{ref}", { ref: `heads/${branch}` }),
        "GitHubError",
        "Invalid",
        // GitHub says the same of a branch that is not there and of one that may not be deleted.
        (_, error) =>
          ask("GET {repo}/branches/{branch}", { branch }).pipe(
            Effect.andThen(Effect.fail(error)),
            Effect.catchReason("GitHubError", "NotFound", () => Effect.void)
          )
      )
    })
  })
})

/** GitHub at a given place with given credentials. */
export const layerFrom = (connection: GitHubRequests.Connection): Layer.Layer<GitHub> =>
  Layer.effect(GitHub, make(connection))

/** What the settings say of GitHub: an app where there is one, else a token, else what is public. */
export const connectionOf = (config: RemoteAgentConfig.Values): GitHubRequests.Connection => {
  const {
    GITHUB_API_URL: apiUrl,
    GITHUB_APP_ID: appId,
    GITHUB_APP_INSTALLATION_ID: installationId,
    GITHUB_APP_PRIVATE_KEY: privateKey,
    GITHUB_TOKEN: token
  } = config
  if (appId !== undefined && installationId !== undefined && privateKey !== undefined) {
    return { apiUrl, credential: { _tag: "app", appId, installationId, privateKey } }
  }
  return { apiUrl, credential: token === undefined ? { _tag: "none" } : { _tag: "token", token } }
}

/**
 * GitHub with the credentials of the configuration: `GITHUB_APP_*`, else `GITHUB_TOKEN`. Without any, what is public
 * can be read, and everything else fails with a message that says what to set.
 */
export const layer: Layer.Layer<GitHub, never, RemoteAgentConfig.RemoteAgentConfig> = Layer.effect(
  GitHub,
  Effect.flatMap(RemoteAgentConfig.RemoteAgentConfig, (config) => make(connectionOf(config)))
)

/** GitHub in memory, for tests: behaves as GitHub for what is scripted, and records what it was asked. */
export const layerTest = (options: GitHubMemory.Options): Layer.Layer<GitHub | GitHubMemory.Calls> =>
  Layer.effectContext(
    Effect.map(GitHubMemory.make(options), ({ calls, service }) =>
      Context.make(GitHub, GitHub.of(service)).pipe(Context.add(GitHubMemory.Calls, calls))
    )
  )
