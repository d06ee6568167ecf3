import { RemoteAgentConfig, GitHubError } from "@remote-agent/domain"
import { Context, Effect, Layer, Option, type Redacted, Schema, Stream } from "effect"
import * as GitHubConnection from "./GitHubConnection.ts"
import * as GitHubHooks from "./internal/hooks.ts"
import * as GitHubPulls from "./internal/pulls.ts"
import { forRepo } from "./internal/request.ts"
import * as GitHubRequests from "./internal/requests.ts"
import * as Wire from "./internal/wire.ts"
import * as Network from "../network/Network.ts"
import * as Model from "./model.ts"

type Failing<A> = Effect.Effect<A, GitHubError.GitHubError>
type Listing<A> = Stream.Stream<A, GitHubError.GitHubError>

/**
 * The parts of GitHub's REST API that agents need. All failures are `GitHubError`s.
 *
 * **Details**
 *
 * Rate limits are waited for and failed requests are repeated within the retry window of the connection.
 *
 * **Gotchas**
 *
 * `comment` and `createIssue` create something each time. They are not repeated when their reply is lost.
 *
 * @category services
 * @since 0.1.0
 */
export class GitHub extends Context.Service<
  GitHub,
  {
    /** A token for git over HTTPS that stays valid for at least five minutes; none without a credential. */
    readonly token: Failing<Option.Option<Redacted.Redacted>>
    /** Fails with `NotFound` when the repository does not exist or is not visible to the credential. */
    readonly repository: (repo: Model.Repo) => Failing<Model.Repository>
    /** The newest commit of a branch. Default: the default branch. */
    readonly latestCommit: (repo: Model.Repo, branch?: string) => Failing<Model.Commit>
    /**
     * Opens a pull request for a branch, or updates the open one. Concurrent calls for the same branch end with one
     * pull request. Fails with `Invalid` when the branch is missing or has no new commits.
     */
    readonly createPullRequest: (
      repo: Model.Repo,
      spec: Model.PullRequestSpec
    ) => Failing<Model.CreatedPullRequest>
    readonly pullRequest: (repo: Model.Repo, number: number) => Failing<Model.PullRequest>
    /** All pages, each requested when it is needed. */
    readonly pullRequests: (repo: Model.Repo, filter?: Model.PullRequestFilter) => Listing<Model.PullRequest>
    /** Comments on an issue or a pull request. */
    readonly comment: (repo: Model.Repo, number: number, body: string) => Failing<Model.Comment>
    readonly createIssue: (repo: Model.Repo, spec: Model.IssueSpec) => Failing<Model.Issue>
    /** All pages, each requested when it is needed, without pull requests. */
    readonly listIssues: (repo: Model.Repo, filter?: Model.IssueFilter) => Listing<Model.Issue>
    /** The check runs and statuses of a commit, a branch or a tag. */
    readonly checks: (repo: Model.Repo, ref: string) => Failing<Model.Checks>
    /** Creates the webhook for an address, or updates the existing one. */
    readonly createWebhook: (repo: Model.Repo, spec: Model.HookSpec) => Failing<Model.CreatedHook>
    readonly listWebhooks: (repo: Model.Repo) => Listing<Model.Hook>
    /** Succeeds when it does not exist any more. */
    readonly deleteWebhook: (repo: Model.Repo, id: number) => Failing<void>
    /** Makes GitHub send a `ping` event. */
    readonly pingWebhook: (repo: Model.Repo, id: number) => Failing<void>
    /** Succeeds when it does not exist any more. */
    readonly deleteBranch: (repo: Model.Repo, branch: string) => Failing<void>
  }
>()("@remote-agent/github/GitHub") {}

const part = /^[\w.-]{1,100}$/

/**
 * Parses `owner/name`, or the HTTPS or SSH address of a repository at any host. None for other texts and for names
 * that GitHub does not allow.
 *
 * @category constructors
 * @since 0.1.0
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

/**
 * Makes the service over a connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (connection: GitHubConnection.Connection) {
  const requests: GitHubRequests.GitHubRequests = yield* GitHubRequests.make(connection)

  const repositoryFor = (operation: GitHubError.Operation, repo: Model.Repo) =>
    Effect.map(requests.send(forRepo(repo, operation, "GET {repo}"), Wire.Repository), Wire.repository)

  const pulls = GitHubPulls.make(requests, (repo) =>
    Effect.map(repositoryFor("createPullRequest", repo), ({ defaultBranch }) => defaultBranch)
  )

  const latestCommit = Effect.fn("GitHub.latestCommit")((repo: Model.Repo, branch?: string) =>
    branch === undefined
      ? Effect.map(
          requests.send(forRepo(repo, "latestCommit", "GET {repo}/commits/HEAD"), Wire.Commit),
          Wire.commit
        )
      : // The route for commits would also accept the name of a tag.
        Effect.map(
          requests.send(
            forRepo(repo, "latestCommit", "GET {repo}/branches/{branch}", { branch }),
            Wire.Branch
          ),
          ({ commit }) => Wire.commit(commit)
        )
  )

  const checks = Effect.fn("GitHub.checks")(function* (repo: Model.Repo, ref: string) {
    const all = <A>(route: string, schema: Schema.Codec<A, unknown>) =>
      Stream.runCollect(requests.pages(forRepo(repo, "checks", route, { ref }), schema))
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
          forRepo(
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
        requests.send(forRepo(repo, "createIssue", "POST {repo}/issues", {}, spec), Wire.Issue),
        Wire.issue
      )
    ),
    listIssues: (repo, filter = {}) =>
      requests
        .pages(
          forRepo(repo, "listIssues", "GET {repo}/issues", {
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
        requests.run(forRepo(repo, "deleteBranch", route, parameters))
      return Effect.catchReason(
        ask("DELETE {repo}/git/refs/{ref}", { ref: `heads/${branch}` }),
        "GitHubError",
        "Invalid",
        // GitHub gives the same answer for a missing branch and for one that must not be deleted.
        (_, error) =>
          ask("GET {repo}/branches/{branch}", { branch }).pipe(
            Effect.andThen(Effect.fail(error)),
            Effect.catchReason("GitHubError", "NotFound", () => Effect.void)
          )
      )
    })
  })
})

/**
 * The service over a given connection.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (connection: GitHubConnection.Connection): Layer.Layer<GitHub> =>
  Layer.effect(GitHub, make(connection))

/**
 * The service with the credential of the settings: `GITHUB_APP_*`, else `GITHUB_TOKEN`.
 *
 * **Gotchas**
 *
 * Without a credential only public data can be read. Everything else fails with a message that names the setting.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<GitHub, never, RemoteAgentConfig.RemoteAgentConfig> = Layer.effect(
  GitHub,
  Effect.gen(function* () {
    const connection = GitHubConnection.fromConfig(yield* RemoteAgentConfig.RemoteAgentConfig)
    return yield* make({ ...connection, network: yield* Network.fromConfig })
  })
)
