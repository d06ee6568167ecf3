/** The state of the fake GitHub, and the record of its calls. */
import { GitHubError } from "@remote-agent/domain"
import { Effect, type Redacted, Ref, Stream } from "effect"
import * as Model from "../../api/model.ts"

/**
 * The initial state of a repository.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScriptedRepository {
  /** Default: `main`. */
  readonly defaultBranch?: string | undefined
  readonly private?: boolean | undefined
  /** The id of the newest commit, by branch. */
  readonly branches?: Readonly<Record<string, string>> | undefined
  readonly pullRequests?: ReadonlyArray<Model.PullRequest> | undefined
  readonly issues?: ReadonlyArray<Model.Issue> | undefined
  /** Checks, by the id of their commit. */
  readonly checks?: Readonly<Record<string, ReadonlyArray<Model.Check>>> | undefined
}

/**
 * One call of a `GitHub` method, for assertions on the calls and their order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly operation: GitHubError.Operation
  /** `owner/name`; empty for a call without a repository. */
  readonly target: string
  /** The arguments after the repository. */
  readonly input: ReadonlyArray<unknown>
}

/**
 * The content and the faults of the fake.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Repositories, by `owner/name`. */
  readonly repositories: Readonly<Record<string, ScriptedRepository>>
  /** Invoked for every call, in order. A reason makes the call fail before it has an effect. */
  readonly fault?: ((call: Call, index: number) => GitHubError.Reason | undefined) | undefined
  /** The result of `token`. Default: none. */
  readonly token?: Redacted.Redacted | undefined
  /** The login of the credential. Default: `agent`. */
  readonly login?: string | undefined
}

export interface Repository {
  readonly defaultBranch: string
  readonly private: boolean
  readonly branches: Map<string, string>
  readonly pulls: Map<number, Model.PullRequest>
  readonly issues: Map<number, Model.Issue>
  readonly comments: Map<number, Array<string>>
  readonly checks: ReadonlyMap<string, ReadonlyArray<Model.Check>>
  readonly hooks: Map<number, Model.Hook>
  last: number
}

const byNumber = <A extends { readonly number: number }>(all: ReadonlyArray<A> | undefined) =>
  new Map((all ?? []).map((one) => [one.number, one]))

const start = (scripted: ScriptedRepository): Repository => ({
  defaultBranch: scripted.defaultBranch ?? "main",
  private: scripted.private ?? true,
  branches: new Map(Object.entries(scripted.branches ?? {})),
  pulls: byNumber(scripted.pullRequests),
  issues: byNumber(scripted.issues),
  comments: new Map(),
  checks: new Map(Object.entries(scripted.checks ?? {})),
  hooks: new Map(),
  last: Math.max(
    0,
    ...[...(scripted.pullRequests ?? []), ...(scripted.issues ?? [])].map(({ number }) => number)
  )
})

export const nameOf = ({ name, owner }: Model.Repo) => `${owner}/${name}`

export const inState =
  ({ state = "open" }: Model.Filter) =>
  (one: { readonly state: string }) =>
    state === "all" || state === one.state

export const invalid = (...problems: ReadonlyArray<string>) => new GitHubError.Invalid({ problems })

export const notFound = new GitHubError.NotFound({ credential: "token", needs: [] })

export const openFor = (repository: Repository, repo: Model.Repo, head: string) =>
  [...repository.pulls.values()].filter(
    (pull) => pull.state === "open" && Model.qualified(repo, pull.head.branch) === Model.qualified(repo, head)
  )

/** The state of the fake, and the record of its calls. */
export const makeMemory = Effect.fnUntraced(function* (options: Options) {
  const repositories = new Map(
    Object.entries(options.repositories).map(([name, scripted]) => [name.toLowerCase(), start(scripted)])
  )
  const calls = yield* Ref.make<ReadonlyArray<Call>>([])

  const called = Effect.fnUntraced(function* (
    operation: GitHubError.Operation,
    target: string,
    ...input: ReadonlyArray<unknown>
  ) {
    const call: Call = { operation, target, input }
    const index = (yield* Ref.getAndUpdate(calls, (all) => [...all, call])).length
    const reason = options.fault?.(call, index)
    if (reason !== undefined) return yield* new GitHubError.GitHubError({ operation, target, reason })
    return (why: GitHubError.Reason) => new GitHubError.GitHubError({ operation, target, reason: why })
  })

  const opened = Effect.fnUntraced(function* (
    operation: GitHubError.Operation,
    repo: Model.Repo,
    ...input: ReadonlyArray<unknown>
  ) {
    const failure = yield* called(operation, nameOf(repo), ...input)
    const repository = repositories.get(nameOf(repo).toLowerCase())
    if (repository === undefined) return yield* failure(notFound)
    const url = `https://github.com/${nameOf(repo)}`
    return { repository, failure, url }
  })

  const listed = <A>(
    operation: GitHubError.Operation,
    repo: Model.Repo,
    filter: unknown,
    all: (repository: Repository) => ReadonlyArray<A>
  ) =>
    Stream.unwrap(
      Effect.map(opened(operation, repo, filter), ({ repository }) => Stream.fromIterable(all(repository)))
    )

  return {
    login: options.login ?? "agent",
    token: options.token,
    repositories,
    calls,
    called,
    opened,
    listed
  }
})

export type Memory = Effect.Success<ReturnType<typeof makeMemory>>
