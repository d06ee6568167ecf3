/**
 * The bodies of requests about repositories, and what is answered.
 *
 * @since 0.2.0
 */
import { Query } from "@remote-agent/domain"
import { Schema } from "effect"
import { WhenRunning } from "../agents/AgentRequests.ts"
import { DurationText } from "../DurationText.ts"

const permissions = {
  allowNestedRepositories: Schema.optionalKey(Schema.Boolean),
  allowConflictMarkers: Schema.optionalKey(Schema.Boolean),
  allowInProgress: Schema.optionalKey(Schema.Boolean)
}

const Author = Schema.Struct({ name: Schema.String, email: Schema.String })

const running = WhenRunning.fields

/**
 * The repository to clone.
 *
 * @category schemas
 * @since 0.2.0
 */
export const CloneRequest = Schema.Struct({
  url: Schema.String,
  ref: Schema.optionalKey(Schema.String),
  depth: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  ...running
})

/**
 * How the branch that is checked out is updated.
 *
 * @category schemas
 * @since 0.2.0
 */
export const PullRequest = Schema.Struct({
  onDiverged: Schema.optionalKey(Schema.Literals(["fail", "merge", "reset"])),
  ...running
})

/**
 * The branch to create.
 *
 * @category schemas
 * @since 0.2.0
 */
export const BranchRequest = Schema.Struct({
  name: Schema.String,
  from: Schema.optionalKey(Schema.String),
  ...running
})

/**
 * The changes to commit.
 *
 * @category schemas
 * @since 0.2.0
 */
export const CommitRequest = Schema.Struct({
  message: Schema.String,
  author: Schema.optionalKey(Author),
  paths: Schema.optionalKey(Schema.Array(Schema.String)),
  ...permissions,
  ...running
})

/**
 * The branch to push.
 *
 * @category schemas
 * @since 0.2.0
 */
export const PushRequest = Schema.Struct({
  branch: Schema.optionalKey(Schema.String),
  to: Schema.optionalKey(Schema.String),
  force: Schema.optionalKey(Schema.Boolean),
  ...permissions,
  ...running
})

/**
 * The pull request to open.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ProposeRequest = Schema.Struct({
  title: Schema.String,
  body: Schema.optionalKey(Schema.String),
  base: Schema.optionalKey(Schema.String),
  branch: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.String),
  draft: Schema.optionalKey(Schema.Boolean),
  labels: Schema.optionalKey(Schema.Array(Schema.String)),
  reviewers: Schema.optionalKey(Schema.Array(Schema.String)),
  teamReviewers: Schema.optionalKey(Schema.Array(Schema.String)),
  author: Schema.optionalKey(Author),
  ...permissions,
  ...running
})

const RepositoryName = Schema.Struct({ owner: Schema.String, name: Schema.String })

/**
 * The question whose answer is published as a report.
 *
 * @category schemas
 * @since 0.2.0
 */
export const PublishRequest = Schema.Struct({
  question: Schema.String.check(Schema.isNonEmpty()),
  repository: Schema.optionalKey(RepositoryName),
  base: Schema.optionalKey(Schema.String),
  draft: Schema.optionalKey(Schema.Boolean),
  labels: Schema.optionalKey(Schema.Array(Schema.String)),
  author: Schema.optionalKey(Author),
  timeout: Schema.optionalKey(DurationText)
})

/**
 * The commit that is checked out. `branch` is absent when no branch is checked out.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Head = Schema.Struct({
  branch: Schema.optionalKey(Schema.String),
  commit: Schema.String
})

/**
 * The checkout after a pull, and the commit before it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Pulled = Schema.Struct({ ...Head.fields, before: Schema.String })

/**
 * A commit and its files.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Committed = Schema.Struct({ ...Head.fields, files: Schema.Array(Schema.String) })

/**
 * A branch of the server after a push.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Pushed = Schema.Struct({ branch: Schema.String, commit: Schema.String })

/**
 * The changes of an agent since its last commit, as a patch. Untracked files are left out.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Diff = Schema.Struct({
  files: Schema.Array(
    Schema.Struct({
      /** A letter of git: A, M, D, R, C, T, U. */
      status: Schema.String,
      path: Schema.String,
      from: Schema.optionalKey(Schema.String)
    })
  ),
  patch: Schema.String
})

const Side = Schema.Struct({ branch: Schema.String, sha: Schema.String })

/**
 * A pull request that was opened, updated, or open already.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Opened = Schema.Struct({
  repository: RepositoryName,
  branch: Schema.String,
  commit: Schema.String,
  files: Schema.Array(Schema.String),
  outcome: Schema.Literals(["created", "updated", "unchanged"]),
  pullRequest: Schema.Struct({
    number: Schema.Int,
    url: Schema.String,
    title: Schema.String,
    body: Schema.String,
    state: Schema.Literals(["open", "closed"]),
    draft: Schema.Boolean,
    merged: Schema.Boolean,
    head: Side,
    base: Side,
    author: Schema.String,
    labels: Schema.Array(Schema.String),
    reviewers: Schema.Array(Schema.String),
    teamReviewers: Schema.Array(Schema.String)
  })
})

/**
 * An answer, and the pull request that proposes it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Published = Schema.Struct({
  ...Opened.fields,
  /** The file of the report. */
  path: Schema.String,
  result: Query.QueryResult
})
