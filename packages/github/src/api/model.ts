import type { GitHubError } from "@remote-agent/domain"
import { type Option, type Redacted, Schema } from "effect"

/**
 * The owner and name of a repository.
 *
 * @category models
 * @since 0.1.0
 */
export interface Repo {
  readonly owner: string
  readonly name: string
}

/**
 * A repository.
 *
 * @category models
 * @since 0.1.0
 */
export const Repository = Schema.Struct({
  /** GitHub's id, which does not change when the repository is renamed or transferred. */
  id: Schema.optionalKey(Schema.Int),
  owner: Schema.String,
  name: Schema.String,
  /** The web page. */
  url: Schema.String,
  /** The HTTPS address for git, without a credential. */
  cloneUrl: Schema.String,
  defaultBranch: Schema.String,
  private: Schema.Boolean,
  /** An archived repository is read-only. */
  archived: Schema.Boolean
})
/**
 * The decoded type of {@link Repository}.
 *
 * @category models
 * @since 0.1.0
 */
export type Repository = typeof Repository.Type

/**
 * A commit.
 *
 * @category models
 * @since 0.1.0
 */
export const Commit = Schema.Struct({
  sha: Schema.String,
  message: Schema.String,
  author: Schema.String,
  /** The commit date. */
  at: Schema.optionalKey(Schema.DateTimeUtcFromString),
  url: Schema.String
})
/**
 * The decoded type of {@link Commit}.
 *
 * @category models
 * @since 0.1.0
 */
export type Commit = typeof Commit.Type

const State = Schema.Literals(["open", "closed"])

/**
 * A pull request.
 *
 * @category models
 * @since 0.1.0
 */
export const PullRequest = Schema.Struct({
  number: Schema.Int,
  url: Schema.String,
  title: Schema.String,
  body: Schema.String,
  state: State,
  draft: Schema.Boolean,
  merged: Schema.Boolean,
  /** The branch with the changes. */
  head: Schema.Struct({ branch: Schema.String, sha: Schema.String }),
  /** The branch that receives the changes. */
  base: Schema.Struct({ branch: Schema.String, sha: Schema.String }),
  author: Schema.String,
  labels: Schema.Array(Schema.String),
  /** Logins of the people whose review is requested and pending. */
  reviewers: Schema.Array(Schema.String),
  /** Slugs of the teams whose review is requested and pending. */
  teamReviewers: Schema.Array(Schema.String)
})
/**
 * The decoded type of {@link PullRequest}.
 *
 * @category models
 * @since 0.1.0
 */
export type PullRequest = typeof PullRequest.Type

/**
 * An issue.
 *
 * @category models
 * @since 0.1.0
 */
export const Issue = Schema.Struct({
  number: Schema.Int,
  url: Schema.String,
  title: Schema.String,
  body: Schema.String,
  state: State,
  author: Schema.String,
  labels: Schema.Array(Schema.String),
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
})
/**
 * The decoded type of {@link Issue}.
 *
 * @category models
 * @since 0.1.0
 */
export type Issue = typeof Issue.Type

/**
 * A comment on an issue or a pull request.
 *
 * @category models
 * @since 0.1.0
 */
export const Comment = Schema.Struct({
  id: Schema.Int,
  url: Schema.String,
  body: Schema.String,
  author: Schema.String
})
/**
 * The decoded type of {@link Comment}.
 *
 * @category models
 * @since 0.1.0
 */
export type Comment = typeof Comment.Type

/**
 * The state of a check. Neutral and skipped checks count as success, cancelled and stale ones as failure.
 *
 * @category models
 * @since 0.1.0
 */
export const CheckState = Schema.Literals(["pending", "success", "failure"])
/**
 * The decoded type of {@link CheckState}.
 *
 * @category models
 * @since 0.1.0
 */
export type CheckState = typeof CheckState.Type

/**
 * One check of a commit.
 *
 * @category models
 * @since 0.1.0
 */
export const Check = Schema.Struct({
  name: Schema.String,
  /** `run`: a check run of an app such as GitHub Actions. `status`: a commit status. */
  kind: Schema.Literals(["run", "status"]),
  state: CheckState,
  url: Schema.optionalKey(Schema.String)
})
/**
 * The decoded type of {@link Check}.
 *
 * @category models
 * @since 0.1.0
 */
export type Check = typeof Check.Type

/**
 * All checks of a commit and their combined state; `none` without a check.
 *
 * @category models
 * @since 0.1.0
 */
export const Checks = Schema.Struct({
  sha: Schema.String,
  state: Schema.Literals(["none", ...CheckState.literals]),
  checks: Schema.Array(Check)
})
/**
 * The decoded type of {@link Checks}.
 *
 * @category models
 * @since 0.1.0
 */
export type Checks = typeof Checks.Type

/**
 * A webhook of a repository. GitHub never reveals its secret.
 *
 * @category models
 * @since 0.1.0
 */
export const Hook = Schema.Struct({
  id: Schema.Int,
  url: Schema.String,
  events: Schema.Array(Schema.String),
  active: Schema.Boolean,
  contentType: Schema.String
})
/**
 * The decoded type of {@link Hook}.
 *
 * @category models
 * @since 0.1.0
 */
export type Hook = typeof Hook.Type

/**
 * The combined state of checks: failure if one failed, else pending if one is pending, else success.
 *
 * @category combinators
 * @since 0.1.0
 */
export const verdict = (checks: ReadonlyArray<Check>): Checks["state"] => {
  const states = new Set(checks.map(({ state }) => state))
  if (states.has("failure")) return "failure"
  if (states.has("pending")) return "pending"
  return states.has("success") ? "success" : "none"
}

/**
 * The pull request to open, or the state to bring the open one to.
 *
 * @category models
 * @since 0.1.0
 */
export interface PullRequestSpec {
  /** The branch with the changes, or `owner:branch` for a fork. */
  readonly head: string
  readonly title: string
  /** Default: keep the body of the open pull request. */
  readonly body?: string | undefined
  /** The target branch. Default: the default branch for a new pull request; an open one keeps its target. */
  readonly base?: string | undefined
  /** Whether a new pull request is a draft. An open one keeps its state. */
  readonly draft?: boolean | undefined
  /** Labels to add. */
  readonly labels?: ReadonlyArray<string> | undefined
  /** Logins of people to request a review from. People who already reviewed are not asked again. */
  readonly reviewers?: ReadonlyArray<string> | undefined
  /** Slugs of teams to request a review from, once, when the pull request is opened. */
  readonly teamReviewers?: ReadonlyArray<string> | undefined
}

/**
 * The issue to create.
 *
 * @category models
 * @since 0.1.0
 */
export interface IssueSpec {
  readonly title: string
  readonly body?: string | undefined
  readonly labels?: ReadonlyArray<string> | undefined
  readonly assignees?: ReadonlyArray<string> | undefined
}

/**
 * The state to list.
 *
 * @category models
 * @since 0.1.0
 */
export interface Filter {
  /** Default: `open`. */
  readonly state?: "open" | "closed" | "all" | undefined
}

/**
 * The issues to list.
 *
 * @category models
 * @since 0.1.0
 */
export interface IssueFilter extends Filter {
  /** Only issues with all of these labels. */
  readonly labels?: ReadonlyArray<string> | undefined
}

/**
 * The pull requests to list.
 *
 * @category models
 * @since 0.1.0
 */
export interface PullRequestFilter extends Filter {
  /** Only pull requests from this branch; `owner:branch` for a fork. */
  readonly head?: string | undefined
  /** Only pull requests for this branch. */
  readonly base?: string | undefined
}

/** The head as `owner:branch`, the form in which GitHub compares heads. */
export const qualified = (repo: Repo, head: string): string =>
  head.includes(":") ? head : `${repo.owner}:${head}`

/**
 * The result of `createPullRequest`.
 *
 * @category models
 * @since 0.1.0
 */
export interface CreatedPullRequest {
  readonly pullRequest: PullRequest
  readonly outcome: "created" | "updated" | "unchanged"
  /** Why labels or reviewers could not be added. The pull request exists without them. */
  readonly problems: ReadonlyArray<GitHubError.GitHubError>
}

/**
 * The webhook to create for an address, or the state to bring the existing one to.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookSpec {
  readonly url: string
  /** Default: `push` and `pull_request`. */
  readonly events?: ReadonlyArray<string> | undefined
  /** The signing secret. Default: a random one for a new webhook; an existing webhook keeps its own. */
  readonly secret?: Redacted.Redacted | undefined
}

/**
 * The result of `createWebhook`.
 *
 * @category models
 * @since 0.1.0
 */
export interface CreatedHook {
  readonly hook: Hook
  readonly outcome: "created" | "updated" | "unchanged"
  /** The signing secret. None when the webhook existed and kept its own, which GitHub never reveals. */
  readonly secret: Option.Option<Redacted.Redacted>
}
