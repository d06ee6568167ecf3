import { Schema } from "effect"

/** A repository as it is addressed. */
export interface Repo {
  readonly owner: string
  readonly name: string
}

/** A repository. */
export const Repository = Schema.Struct({
  owner: Schema.String,
  name: Schema.String,
  /** The page for people. */
  url: Schema.String,
  /** Where git finds it over HTTPS; there is no credential in it. */
  cloneUrl: Schema.String,
  defaultBranch: Schema.String,
  private: Schema.Boolean,
  /** Nothing can be changed in it. */
  archived: Schema.Boolean
})
export type Repository = typeof Repository.Type

/** A commit. */
export const Commit = Schema.Struct({
  sha: Schema.String,
  message: Schema.String,
  author: Schema.String,
  /** When it was committed. */
  at: Schema.optionalKey(Schema.DateTimeUtcFromString),
  url: Schema.String
})
export type Commit = typeof Commit.Type

const State = Schema.Literals(["open", "closed"])

/** A pull request. */
export const PullRequest = Schema.Struct({
  number: Schema.Int,
  url: Schema.String,
  title: Schema.String,
  body: Schema.String,
  state: State,
  draft: Schema.Boolean,
  merged: Schema.Boolean,
  /** What is proposed. */
  head: Schema.Struct({ branch: Schema.String, sha: Schema.String }),
  /** What it is proposed for. */
  base: Schema.Struct({ branch: Schema.String, sha: Schema.String }),
  author: Schema.String,
  labels: Schema.Array(Schema.String),
  /** Who was asked for a review and has not given one. */
  reviewers: Schema.Array(Schema.String),
  /** The same for teams, by their slugs. */
  teamReviewers: Schema.Array(Schema.String)
})
export type PullRequest = typeof PullRequest.Type

/** An issue. */
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
export type Issue = typeof Issue.Type

/** A comment on an issue or a pull request. */
export const Comment = Schema.Struct({
  id: Schema.Int,
  url: Schema.String,
  body: Schema.String,
  author: Schema.String
})
export type Comment = typeof Comment.Type

/** How far a check is. A neutral or a skipped one has succeeded, a cancelled or an abandoned one has failed. */
export const CheckState = Schema.Literals(["pending", "success", "failure"])
export type CheckState = typeof CheckState.Type

/** One check of a commit. */
export const Check = Schema.Struct({
  name: Schema.String,
  /** `run` comes from an app such as GitHub Actions, `status` from whoever has set a commit status. */
  kind: Schema.Literals(["run", "status"]),
  state: CheckState,
  url: Schema.optionalKey(Schema.String)
})
export type Check = typeof Check.Type

/** All checks of a commit, and what they say together; `none` when there are none. */
export const Checks = Schema.Struct({
  sha: Schema.String,
  state: Schema.Literals(["none", ...CheckState.literals]),
  checks: Schema.Array(Check)
})
export type Checks = typeof Checks.Type

/** A webhook of a repository. GitHub never tells its secret. */
export const Hook = Schema.Struct({
  id: Schema.Int,
  url: Schema.String,
  events: Schema.Array(Schema.String),
  active: Schema.Boolean,
  contentType: Schema.String
})
export type Hook = typeof Hook.Type

/** What checks say together: one failure is a failure, and no success before all are done. */
export const verdict = (checks: ReadonlyArray<Check>): Checks["state"] => {
  const states = new Set(checks.map(({ state }) => state))
  if (states.has("failure")) return "failure"
  if (states.has("pending")) return "pending"
  return states.has("success") ? "success" : "none"
}

/** What is wanted of a pull request for the branch `head`. */
export interface PullRequestSpec {
  /** The branch with the changes; `owner:branch` when it is in a fork. */
  readonly head: string
  readonly title: string
  /** Left as it is when absent. */
  readonly body?: string | undefined
  /** Where it should go: when absent, the default branch for a new one; an open one is left as it is. */
  readonly base?: string | undefined
  /** Whether a new one is a draft. One that is open is left as it is. */
  readonly draft?: boolean | undefined
  /** Added to those it has. */
  readonly labels?: ReadonlyArray<string> | undefined
  /** Who is asked for a review, by login; never asked again after they gave one. */
  readonly reviewers?: ReadonlyArray<string> | undefined
  /** The same for teams of the organisation, by slug. */
  readonly teamReviewers?: ReadonlyArray<string> | undefined
}

/** What is wanted of a new issue. */
export interface IssueSpec {
  readonly title: string
  readonly body?: string | undefined
  readonly labels?: ReadonlyArray<string> | undefined
  readonly assignees?: ReadonlyArray<string> | undefined
}

/** Which issues or pull requests. */
export interface Filter {
  /** `open` when absent. */
  readonly state?: "open" | "closed" | "all" | undefined
}

/** Which issues. */
export interface IssueFilter extends Filter {
  /** Those that have all of them. */
  readonly labels?: ReadonlyArray<string> | undefined
}

/** Which pull requests. */
export interface PullRequestFilter extends Filter {
  /** Those from this branch; `owner:branch` when it is in a fork. */
  readonly head?: string | undefined
  /** Those for this branch. */
  readonly base?: string | undefined
}

/** `owner:branch`, in which form GitHub compares heads. */
export const qualified = (repo: Repo, head: string): string =>
  head.includes(":") ? head : `${repo.owner}:${head}`
