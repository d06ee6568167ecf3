/**
 * The parts of GitHub's JSON that are read, and their conversion to the types of `model.ts`. The user of a deleted
 * account is `null`, and so is an empty text.
 */
import { Schema } from "effect"
import type * as Model from "../model.ts"

export const Login = Schema.NullOr(Schema.Struct({ login: Schema.String }))
const Text = Schema.NullOr(Schema.String)

// GitHub shows this account in place of deleted ones.
export const login = (user: typeof Login.Type | undefined): string => user?.login ?? "ghost"

export const Repository = Schema.Struct({
  id: Schema.optionalKey(Schema.Int),
  name: Schema.String,
  owner: Schema.Struct({ login: Schema.String }),
  html_url: Schema.String,
  clone_url: Schema.String,
  default_branch: Schema.String,
  private: Schema.Boolean,
  archived: Schema.optionalKey(Schema.Boolean)
})

export const repository = (wire: typeof Repository.Type): Model.Repository => ({
  ...(wire.id === undefined ? {} : { id: wire.id }),
  owner: wire.owner.login,
  name: wire.name,
  url: wire.html_url,
  cloneUrl: wire.clone_url,
  defaultBranch: wire.default_branch,
  private: wire.private,
  archived: wire.archived ?? false
})

const Person = Schema.NullOr(
  Schema.Struct({
    name: Schema.optionalKey(Text),
    date: Schema.optionalKey(Schema.DateTimeUtcFromString)
  })
)

export const Commit = Schema.Struct({
  sha: Schema.String,
  html_url: Schema.String,
  commit: Schema.Struct({ message: Schema.String, author: Person, committer: Person })
})

export const commit = ({ commit: inner, html_url, sha }: typeof Commit.Type): Model.Commit => ({
  sha,
  url: html_url,
  message: inner.message,
  author: inner.author?.name ?? "",
  ...(inner.committer?.date === undefined ? {} : { at: inner.committer.date })
})

export const Branch = Schema.Struct({ name: Schema.String, commit: Commit })

const Label = Schema.Union([Schema.String, Schema.Struct({ name: Schema.optionalKey(Text) })])

export const Labels = Schema.Array(Label)

export const labels = (all: typeof Labels.Type): ReadonlyArray<string> =>
  all.flatMap((label) => (typeof label === "string" ? label : (label.name ?? [])))

const State = Schema.Literals(["open", "closed"])

export const End = Schema.Struct({ ref: Schema.String, sha: Schema.String })

// A reviewer may be a team, which has no login, or null.
export const Reviewers = Schema.NullOr(
  Schema.Array(Schema.NullOr(Schema.Struct({ login: Schema.optionalKey(Text) })))
)
export const Teams = Schema.NullOr(
  Schema.Array(Schema.NullOr(Schema.Struct({ slug: Schema.optionalKey(Text) })))
)

export const reviewers = (wire: typeof Reviewers.Type | undefined): ReadonlyArray<string> =>
  (wire ?? []).flatMap((one) => one?.login ?? [])

export const teams = (wire: typeof Teams.Type | undefined): ReadonlyArray<string> =>
  (wire ?? []).flatMap((one) => one?.slug ?? [])

export const PullRequest = Schema.Struct({
  number: Schema.Int,
  html_url: Schema.String,
  title: Schema.String,
  body: Text,
  state: State,
  draft: Schema.optionalKey(Schema.Boolean),
  merged_at: Schema.optionalKey(Text),
  head: End,
  base: End,
  user: Login,
  labels: Labels,
  requested_reviewers: Schema.optionalKey(Reviewers),
  requested_teams: Schema.optionalKey(Teams)
})

export const end = ({ ref, sha }: typeof End.Type) => ({ branch: ref, sha })

export const pullRequest = (wire: typeof PullRequest.Type): Model.PullRequest => ({
  number: wire.number,
  url: wire.html_url,
  title: wire.title,
  body: wire.body ?? "",
  state: wire.state,
  draft: wire.draft ?? false,
  merged: (wire.merged_at ?? null) !== null,
  head: end(wire.head),
  base: end(wire.base),
  author: login(wire.user),
  labels: labels(wire.labels),
  reviewers: reviewers(wire.requested_reviewers),
  teamReviewers: teams(wire.requested_teams)
})

export const Review = Schema.Struct({ user: Login })

export const reviewer = ({ user }: typeof Review.Type): string => login(user)

export const Issue = Schema.Struct({
  number: Schema.Int,
  html_url: Schema.String,
  title: Schema.String,
  body: Schema.optionalKey(Text),
  state: State,
  user: Login,
  labels: Labels,
  created_at: Schema.DateTimeUtcFromString,
  updated_at: Schema.DateTimeUtcFromString,
  /** Present when the issue is a pull request. */
  pull_request: Schema.optionalKey(Schema.Unknown)
})

export const issue = (wire: typeof Issue.Type): Model.Issue => ({
  number: wire.number,
  url: wire.html_url,
  title: wire.title,
  body: wire.body ?? "",
  state: wire.state,
  author: login(wire.user),
  labels: labels(wire.labels),
  createdAt: wire.created_at,
  updatedAt: wire.updated_at
})

export const Comment = Schema.Struct({
  id: Schema.Int,
  html_url: Schema.String,
  body: Schema.optionalKey(Text),
  user: Login
})

export const comment = (wire: typeof Comment.Type): Model.Comment => ({
  id: wire.id,
  url: wire.html_url,
  body: wire.body ?? "",
  author: login(wire.user)
})

export const CheckRuns = Schema.Struct({
  check_runs: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      status: Schema.String,
      conclusion: Text,
      html_url: Schema.optionalKey(Text)
    })
  )
})

const passed: ReadonlySet<string | null> = new Set(["success", "neutral", "skipped"])

const link = (url: string | null | undefined) => (typeof url === "string" && url !== "" ? { url } : {})

export const checkRuns = (wire: typeof CheckRuns.Type): ReadonlyArray<Model.Check> =>
  wire.check_runs.map(({ conclusion, html_url, name, status }) => ({
    name,
    kind: "run",
    state: status !== "completed" ? "pending" : passed.has(conclusion) ? "success" : "failure",
    ...link(html_url)
  }))

export const Statuses = Schema.Struct({
  sha: Schema.String,
  statuses: Schema.Array(
    Schema.Struct({
      context: Schema.String,
      state: Schema.String,
      target_url: Schema.optionalKey(Text)
    })
  )
})

export const statuses = (wire: typeof Statuses.Type): ReadonlyArray<Model.Check> =>
  wire.statuses.map(({ context, state, target_url }) => ({
    name: context,
    kind: "status",
    state: state === "pending" || state === "success" ? state : "failure",
    ...link(target_url)
  }))

export const Hook = Schema.Struct({
  id: Schema.Int,
  active: Schema.Boolean,
  events: Schema.Array(Schema.String),
  config: Schema.Struct({
    url: Schema.optionalKey(Schema.String),
    content_type: Schema.optionalKey(Schema.String)
  })
})

export const hook = ({ active, config, events, id }: typeof Hook.Type): Model.Hook => ({
  id,
  url: config.url ?? "",
  events,
  active,
  contentType: config.content_type ?? "form"
})

export const InstallationToken = Schema.Struct({
  token: Schema.RedactedFromValue(Schema.NonEmptyString),
  expires_at: Schema.DateTimeUtcFromString
})
