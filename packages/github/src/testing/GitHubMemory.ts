import { GitHubError } from "@remote-agent/domain"
import { Context, DateTime, Effect, Layer, Option, Ref } from "effect"
import { GitHub } from "../api/GitHub.ts"
import * as GitHubHooks from "../api/internal/hooks.ts"
import * as GitHubPulls from "../api/internal/pulls.ts"
import * as Model from "../api/model.ts"
import {
  type Call,
  inState,
  invalid,
  makeMemory,
  type Memory,
  nameOf,
  notFound,
  openFor,
  type Options
} from "./internal/memory.ts"

export type { Call, Options, ScriptedRepository } from "./internal/memory.ts"

/**
 * The recorded calls, for assertions.
 *
 * @category services
 * @since 0.1.0
 */
export class Calls extends Context.Service<
  Calls,
  {
    readonly all: Effect.Effect<ReadonlyArray<Call>>
    /** The comments written on an issue or a pull request, oldest first. */
    readonly comments: (repo: Model.Repo, number: number) => Effect.Effect<ReadonlyArray<string>>
    /** Moves or creates a branch, as a push does. Its open pull requests follow. */
    readonly push: (repo: Model.Repo, branch: string, sha: string) => Effect.Effect<void>
  }
>()("@remote-agent/github/GitHubMemory/Calls") {}

const pullRequestMethods = ({ listed, login, opened }: Memory) => {
  const createPullRequest = Effect.fn("GitHub.createPullRequest")(function* (
    repo: Model.Repo,
    spec: Model.PullRequestSpec
  ): Effect.fn.Return<Model.CreatedPullRequest, GitHubError.GitHubError> {
    const { failure, repository, url } = yield* opened("createPullRequest", repo, spec)
    const existing = Option.getOrUndefined(
      GitHubPulls.choose(openFor(repository, repo, spec.head), spec.base)
    )
    const branch = spec.base ?? existing?.base.branch ?? repository.defaultBranch
    const [sha, baseSha] = [repository.branches.get(spec.head), repository.branches.get(branch)]
    if (existing === undefined && sha === undefined) return yield* failure(invalid("head: invalid"))
    if (baseSha === undefined) return yield* failure(invalid("base: invalid"))
    if (existing === undefined && sha === baseSha) {
      return yield* failure(invalid(`No commits between ${branch} and ${spec.head}`))
    }
    const number = existing?.number ?? ++repository.last
    const before: Model.PullRequest = existing ?? {
      number,
      url: `${url}/pull/${number}`,
      title: spec.title,
      body: spec.body ?? "",
      state: "open",
      draft: spec.draft ?? false,
      merged: false,
      head: { branch: spec.head, sha: sha ?? "" },
      base: { branch, sha: baseSha },
      author: login,
      labels: [],
      reviewers: [],
      teamReviewers: []
    }
    const { base: _, ...texts } = GitHubPulls.changes(before, spec)
    const pullRequest: Model.PullRequest = {
      ...before,
      ...texts,
      base: { branch, sha: baseSha },
      labels: [...before.labels, ...GitHubPulls.missing(spec.labels, before.labels)],
      reviewers: [...before.reviewers, ...GitHubPulls.missing(spec.reviewers, before.reviewers)],
      teamReviewers: existing === undefined ? [...(spec.teamReviewers ?? [])] : before.teamReviewers
    }
    repository.pulls.set(number, pullRequest)
    const isSame = JSON.stringify(pullRequest) === JSON.stringify(before)
    return {
      pullRequest,
      outcome: existing === undefined ? "created" : isSame ? "unchanged" : "updated",
      problems: []
    }
  })

  return {
    createPullRequest,
    pullRequest: Effect.fn("GitHub.pullRequest")(function* (repo: Model.Repo, number: number) {
      const { failure, repository } = yield* opened("pullRequest", repo, number)
      return repository.pulls.get(number) ?? (yield* failure(notFound))
    }),
    pullRequests: (repo: Model.Repo, filter: Model.PullRequestFilter = {}) =>
      listed("pullRequests", repo, filter, ({ pulls }) =>
        [...pulls.values()]
          .filter(inState(filter))
          .filter(({ base }) => filter.base === undefined || filter.base === base.branch)
          .filter(
            ({ head }) =>
              filter.head === undefined ||
              Model.qualified(repo, filter.head) === Model.qualified(repo, head.branch)
          )
          .toReversed()
      )
  }
}

const webhookMethods = ({ listed, opened }: Memory) => {
  const createWebhook = Effect.fn("GitHub.createWebhook")(function* (
    repo: Model.Repo,
    spec: Model.HookSpec
  ): Effect.fn.Return<Model.CreatedHook, GitHubError.GitHubError> {
    const { repository } = yield* opened("createWebhook", repo, spec)
    const events = spec.events ?? GitHubHooks.defaultEvents
    const existing = Option.getOrUndefined(GitHubHooks.find([...repository.hooks.values()], spec.url))
    if (existing !== undefined && spec.secret === undefined && GitHubHooks.isAsWanted(existing, events)) {
      return { hook: existing, outcome: "unchanged", secret: Option.none() }
    }
    const hook: Model.Hook = {
      id: existing?.id ?? ++repository.last,
      url: spec.url,
      events,
      active: true,
      contentType: "json"
    }
    repository.hooks.set(hook.id, hook)
    if (existing !== undefined)
      return { hook, outcome: "updated", secret: Option.fromUndefinedOr(spec.secret) }
    return { hook, outcome: "created", secret: Option.some(spec.secret ?? (yield* GitHubHooks.randomSecret)) }
  })

  return {
    createWebhook,
    listWebhooks: (repo: Model.Repo) =>
      listed("listWebhooks", repo, undefined, ({ hooks }) => [...hooks.values()]),
    deleteWebhook: Effect.fn("GitHub.deleteWebhook")(function* (repo: Model.Repo, id: number) {
      const { repository } = yield* opened("deleteWebhook", repo, id)
      repository.hooks.delete(id)
    }),
    pingWebhook: Effect.fn("GitHub.pingWebhook")(function* (repo: Model.Repo, id: number) {
      const { failure, repository } = yield* opened("pingWebhook", repo, id)
      if (!repository.hooks.has(id)) return yield* failure(notFound)
    })
  }
}

const issueMethods = ({ listed, login, opened }: Memory) => ({
  comment: Effect.fn("GitHub.comment")(function* (repo: Model.Repo, number: number, body: string) {
    const { failure, repository, url } = yield* opened("comment", repo, number, body)
    if (!repository.issues.has(number) && !repository.pulls.has(number)) return yield* failure(notFound)
    const comments = repository.comments.get(number) ?? []
    comments.push(body)
    repository.comments.set(number, comments)
    const id = comments.length
    return { id, url: `${url}/issues/${number}#issuecomment-${id}`, body, author: login }
  }),
  createIssue: Effect.fn("GitHub.createIssue")(function* (repo: Model.Repo, spec: Model.IssueSpec) {
    const { failure, repository, url } = yield* opened("createIssue", repo, spec)
    if (spec.title.trim() === "") return yield* failure(invalid("title: missing field"))
    const [number, now] = [++repository.last, yield* DateTime.now]
    const issue: Model.Issue = {
      number,
      url: `${url}/issues/${number}`,
      title: spec.title,
      body: spec.body ?? "",
      state: "open",
      author: login,
      labels: spec.labels ?? [],
      createdAt: now,
      updatedAt: now
    }
    repository.issues.set(number, issue)
    return issue
  }),
  listIssues: (repo: Model.Repo, filter: Model.IssueFilter = {}) =>
    listed("listIssues", repo, filter, ({ issues }) =>
      [...issues.values()]
        .filter(inState(filter))
        .filter(({ labels }) => GitHubPulls.missing(filter.labels, labels).length === 0)
        .toReversed()
    )
})

const repositoryMethods = ({ called, login, opened, repositories, token }: Memory) => ({
  token: Effect.as(called("token", ""), Option.fromUndefinedOr(token)),
  repository: Effect.fn("GitHub.repository")(function* (repo: Model.Repo) {
    const { repository, url } = yield* opened("repository", repo)
    return {
      id: [...repositories.values()].indexOf(repository) + 1,
      ...repo,
      url,
      cloneUrl: `${url}.git`,
      defaultBranch: repository.defaultBranch,
      private: repository.private,
      archived: false
    }
  }),
  latestCommit: Effect.fn("GitHub.latestCommit")(function* (repo: Model.Repo, branch?: string) {
    const { failure, repository, url } = yield* opened("latestCommit", repo, branch)
    const sha = repository.branches.get(branch ?? repository.defaultBranch)
    if (sha === undefined) return yield* failure(notFound)
    return { sha, url: `${url}/commit/${sha}`, message: "A commit", author: login }
  }),
  checks: Effect.fn("GitHub.checks")(function* (repo: Model.Repo, ref: string) {
    const { repository } = yield* opened("checks", repo, ref)
    const sha = repository.branches.get(ref) ?? ref
    const checks = repository.checks.get(sha) ?? []
    return { sha, state: Model.verdict(checks), checks }
  }),
  deleteBranch: Effect.fn("GitHub.deleteBranch")(function* (repo: Model.Repo, branch: string) {
    const { failure, repository } = yield* opened("deleteBranch", repo, branch)
    if (branch === repository.defaultBranch) {
      return yield* failure(invalid("the default branch cannot be deleted"))
    }
    repository.branches.delete(branch)
    for (const pull of openFor(repository, repo, branch)) {
      repository.pulls.set(pull.number, { ...pull, state: "closed" })
    }
  })
})

/**
 * Makes the fake and the record of its calls.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const memory = yield* makeMemory(options)
  const { calls, repositories } = memory

  const push = (repo: Model.Repo, branch: string, sha: string) =>
    Effect.sync(() => {
      const repository = repositories.get(nameOf(repo).toLowerCase())
      if (repository === undefined) return
      repository.branches.set(branch, sha)
      for (const pull of openFor(repository, repo, branch)) {
        repository.pulls.set(pull.number, { ...pull, head: { ...pull.head, sha } })
      }
    })

  return {
    service: {
      ...repositoryMethods(memory),
      ...pullRequestMethods(memory),
      ...issueMethods(memory),
      ...webhookMethods(memory)
    },
    calls: Calls.of({
      all: Ref.get(calls),
      comments: (repo, number) =>
        Effect.sync(() => repositories.get(nameOf(repo).toLowerCase())?.comments.get(number)?.slice() ?? []),
      push
    })
  }
})

/**
 * `GitHub` in memory: behaves as GitHub does for the scripted repositories and records its calls.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<GitHub | Calls> =>
  Layer.effectContext(
    Effect.map(make(options), ({ calls, service }) =>
      Context.make(GitHub, GitHub.of(service)).pipe(Context.add(Calls, calls))
    )
  )
