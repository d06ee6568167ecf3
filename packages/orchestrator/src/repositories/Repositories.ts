import { Agent, GitError, GitHubError, type Id, OrchestratorError, type Query } from "@remote-agent/domain"
import { GitHub, type GitHubModel, type GitName, GitWorkspace } from "@remote-agent/github"
import { Context, DateTime, Effect, Layer, Option } from "effect"
import * as AgentRepository from "../agents/AgentRepository.ts"
import type { AgentSandbox } from "../runtime/AgentRuntime.ts"
import type { AgentOperationOptions } from "../agents/AgentLifecycle.ts"
import { Orchestrator } from "../Orchestrator.ts"
import type { AgentSandboxOptions } from "../agents/AgentSandboxes.ts"
import type { QueryOptions } from "../queries/Queries.ts"
import * as AgentStore from "../state/AgentStore.ts"
import * as ReportFile from "./ReportFile.ts"
import { StateStore } from "../state/StateStore.ts"

/** How working in the repository of an agent can fail. */
export type Failure = GitError.GitError | GitHubError.GitHubError | OrchestratorError.OrchestratorError

/** How an agent is worked with: what is done about a query that runs, and whether it is woken. */
export interface RepositoryOptions extends AgentOperationOptions, AgentSandboxOptions {}

/** Who commits when nobody is named. */
export const defaultAuthor: GitName.Author = { name: "Remote Agent", email: "remote-agent@localhost" }

/** What is to be cloned. */
export interface CloneSpec {
  readonly url: string
  /** A branch, tag or commit; the default branch when absent. */
  readonly ref?: string | undefined
  /** How many commits of its history; all when absent. */
  readonly depth?: number | undefined
}

/** What is to be committed. */
export interface CommitSpec extends GitWorkspace.Permissions {
  readonly message: string
  /** {@link defaultAuthor} when absent. */
  readonly author?: GitName.Author | undefined
  /** Only these files; every change when absent. */
  readonly paths?: ReadonlyArray<string> | undefined
}

/** What was committed. */
export interface Committed extends GitWorkspace.Head {
  /** The files that it changes, as they are called now. */
  readonly files: ReadonlyArray<string>
}

/** What is wanted of a pull request. */
export interface PullRequestSpec extends Omit<GitHubModel.PullRequestSpec, "head">, GitWorkspace.Permissions {
  /**
   * The branch with the changes. When absent: the one that is checked out, unless that is the one the agent tracks;
   * then one that is named after the agent and the day.
   */
  readonly branch?: string | undefined
  /** The title when absent. */
  readonly message?: string | undefined
  /** {@link defaultAuthor} when absent. */
  readonly author?: GitName.Author | undefined
}

/** A pull request that was asked for. */
export interface Opened {
  readonly repository: GitHubModel.Repo
  readonly branch: string
  /** What was pushed. */
  readonly commit: string
  /** The files that were committed for it; none when all were committed before. */
  readonly files: ReadonlyArray<string>
  /** `unchanged`: it was open and as it should be, but for what was pushed to it. */
  readonly outcome: "created" | "updated" | "unchanged"
  readonly pullRequest: GitHubModel.PullRequest
}

/** How an answer is published. */
export interface PublishOptions extends QueryOptions {
  /** Where; the repository of the agent when absent. */
  readonly repository?: GitHubModel.Repo | undefined
  /** The branch that it is proposed for; the repository's default when absent. */
  readonly base?: string | undefined
  readonly draft?: boolean | undefined
  readonly labels?: ReadonlyArray<string> | undefined
  /** {@link defaultAuthor} when absent. */
  readonly author?: GitName.Author | undefined
}

/** An answer, and where it is proposed. */
export interface Published extends Opened {
  /** The file of the report. */
  readonly path: string
  readonly result: Query.QueryResult
}

/**
 * The repositories that agents work on. The working tree of an agent is its work folder; its record says which
 * repository, which ref, and which commit of the server it had last.
 *
 * An agent is worked with while it answers nothing (`QueryRunning` otherwise, unless it is waited for), and wakes for
 * it. Without a repository it fails with `NoRepository`. All else are failures of `GitWorkspace` and `GitHub`.
 */
export class Repositories extends Context.Service<
  Repositories,
  {
    /** Clones a repository into the work folder of an agent that has none. Fails with `FolderNotEmpty`. */
    readonly clone: (
      id: Id.AgentId,
      repository: CloneSpec,
      options?: RepositoryOptions
    ) => Effect.Effect<Agent.Agent, Failure>
    /** Brings the checked out branch to where the server's is; see `GitWorkspace.pull`. */
    readonly pull: (
      id: Id.AgentId,
      pull?: GitWorkspace.PullOptions,
      options?: RepositoryOptions
    ) => Effect.Effect<GitWorkspace.Pulled, Failure>
    /** Where the working tree is, and what differs from the last commit. */
    readonly status: (
      id: Id.AgentId,
      options?: RepositoryOptions
    ) => Effect.Effect<Effect.Success<ReturnType<GitWorkspace.GitWorkspace["Service"]["status"]>>, Failure>
    /** Makes a branch and checks it out, changes and all; see `GitWorkspace.createBranch`. */
    readonly branch: (
      id: Id.AgentId,
      name: string,
      from?: string,
      options?: RepositoryOptions
    ) => Effect.Effect<GitWorkspace.Head, Failure>
    /** Commits what changed. Fails with `NothingToCommit`. */
    readonly commit: (
      id: Id.AgentId,
      spec: CommitSpec,
      options?: RepositoryOptions
    ) => Effect.Effect<Committed, Failure>
    readonly push: (
      id: Id.AgentId,
      push?: GitWorkspace.PushOptions,
      options?: RepositoryOptions
    ) => Effect.Effect<GitWorkspace.Pushed, Failure>
    /**
     * Commits what changed, pushes the branch, and opens a pull request for it or brings the open one up to date.
     * The credentials and the repository are looked at first. Fails with `NothingToCommit` when the agent has changed
     * nothing since it was cloned or pulled, and with `InvalidName` for the branch that the pull request is for.
     */
    readonly openPullRequest: (
      id: Id.AgentId,
      spec: PullRequestSpec,
      options?: RepositoryOptions
    ) => Effect.Effect<Opened, Failure>
    /**
     * Puts a question, and proposes the answer as a dated report in Markdown: one file in a clone of its own, so that
     * nothing of the agent's work goes with it. The same question to the same agent on the same day updates it. The
     * credentials and the repository are looked at before the question is put; without an answer nothing is made.
     */
    readonly publish: (
      id: Id.AgentId,
      question: string,
      options?: PublishOptions
    ) => Effect.Effect<Published, Failure>
  }
>()("@remote-agent/orchestrator/Repositories") {}

/** The name of the branch on which the work of an agent is proposed. */
export const branchFor = (agent: Pick<Agent.Agent, "id" | "name">, at: DateTime.Utc): string =>
  `agents/${ReportFile.agentWord(agent)}/${ReportFile.dayOf(at)}`

/** Fails unless a branch can be proposed for another. */
const different = (branch: string, base: string) =>
  branch === base
    ? Effect.fail(
        GitError.fail(
          "push",
          new GitError.InvalidName({
            kind: "ref",
            name: branch,
            rule: "it is the branch that the pull request is for"
          })
        )
      )
    : Effect.void

const nothing = GitError.fail("commit", new GitError.NothingToCommit({}))

/** The repositories of the agents of an orchestrator. */
export const make = Effect.gen(function* () {
  const [orchestrator, store, git, github] = yield* Effect.all([
    Orchestrator,
    StateStore,
    GitWorkspace.GitWorkspace,
    GitHub.GitHub
  ])
  const { change } = AgentStore.make(store)

  /** Where the repository is, once it is sure that somebody with the right to see it asks. */
  const ready = Effect.fnUntraced(function* (repo: GitHubModel.Repo) {
    if (Option.isNone(yield* github.token)) {
      return yield* new GitHubError.GitHubError({
        operation: "token",
        target: AgentRepository.fullName(repo),
        reason: new GitHubError.Unauthorized({ credential: "none" })
      })
    }
    return yield* github.repository(repo)
  })

  const modeOf = Effect.mapBoth(github.token, {
    onFailure: (error) => error,
    onSuccess: (token): GitWorkspace.Mode => (Option.isSome(token) ? "relay" : "direct")
  })

  const recorded = Effect.fnUntraced(function* (operation: string, id: Id.AgentId) {
    const agent = (yield* orchestrator.agents.get(id)).record
    if (agent.repository === undefined) {
      return yield* AgentStore.failure(operation, new OrchestratorError.NoRepository({ id }))
    }
    const repo = yield* AgentRepository.parse(git.server, agent.repository.url)
    return { agent, repo, repository: agent.repository }
  })

  const within = <A, E>(
    operation: string,
    id: Id.AgentId,
    options: RepositoryOptions | undefined,
    work: (workspace: GitWorkspace.Workspace) => Effect.Effect<A, E>
  ) =>
    Effect.gen(function* () {
      const { agent, repo } = yield* recorded(operation, id)
      const mode = yield* modeOf
      return yield* orchestrator.agents
        .of(agent)
        .withExclusiveAccess(
          operation,
          (place) => work(AgentRepository.workspaceOf(place, repo, mode)),
          options
        )
    })

  const note = (operation: string, id: Id.AgentId, next: (agent: Agent.Agent) => Agent.Agent) =>
    AgentStore.stored(operation, change(id, next))

  const clone = Effect.fn("Repositories.clone")(function* (
    id: Id.AgentId,
    repository: CloneSpec,
    options?: RepositoryOptions
  ) {
    const { depth, ref, url } = repository
    const wanted = { url, ...(ref === undefined ? {} : { ref }) }
    const handle = yield* orchestrator.agents.get(id)
    const cloned = yield* handle.withExclusiveAccess(
      "clone",
      (place) => AgentRepository.clone(git, place, wanted, depth),
      options
    )
    return yield* note("clone", id, (agent) => new Agent.Agent({ ...agent, repository: cloned }))
  })

  const pull = Effect.fn("Repositories.pull")(function* (
    id: Id.AgentId,
    how?: GitWorkspace.PullOptions,
    options?: RepositoryOptions
  ) {
    const pulled = yield* within("pull", id, options, (workspace) => git.pull(workspace, how))
    yield* note("pull", id, (agent) =>
      agent.repository === undefined
        ? agent
        : new Agent.Agent({
            ...agent,
            repository: new Agent.Repository({ ...agent.repository, commit: pulled.commit })
          })
    )
    return pulled
  })

  const commitIn = Effect.fnUntraced(function* (workspace: GitWorkspace.Workspace, spec: CommitSpec) {
    const { author = defaultAuthor, paths } = spec
    const { entries } = yield* git.status(workspace)
    const head = yield* git.commit(workspace, { ...spec, author })
    const files = entries.map(({ path }) => path).filter((path) => paths?.includes(path) ?? true)
    return { ...head, files } satisfies Committed
  })

  /** The branch that a pull request goes to: what was said, what the agent tracks, else the default. */
  const baseOf = Effect.fnUntraced(function* (
    repo: GitHubModel.Repo,
    base: string | undefined,
    ref: string | undefined,
    fallback: string
  ) {
    if (base !== undefined || ref === undefined) return base ?? fallback
    return yield* github.latestCommit(repo, ref).pipe(
      Effect.as(ref),
      // A tag or a commit is nothing to propose changes for.
      Effect.catchReason("GitHubError", "NotFound", () => Effect.succeed(fallback))
    )
  })

  const openPullRequest = Effect.fn("Repositories.openPullRequest")(function* (
    id: Id.AgentId,
    {
      allowConflictMarkers,
      allowInProgress,
      allowNestedRepositories,
      author,
      branch: named,
      message,
      ...spec
    }: PullRequestSpec,
    options?: RepositoryOptions
  ) {
    const { agent, repo, repository } = yield* recorded("openPullRequest", id)
    const { defaultBranch } = yield* ready(repo)
    const allowed = { allowConflictMarkers, allowInProgress, allowNestedRepositories }
    const base = yield* baseOf(repo, spec.base, repository.ref, defaultBranch)
    if (named !== undefined) yield* different(named, base)
    const today = yield* DateTime.now
    const pushed = yield* within("openPullRequest", id, options, (workspace) =>
      Effect.gen(function* () {
        const status = yield* git.status(workspace)
        const current = status.branch
        if (status.entries.length === 0 && status.commit === repository.commit) return yield* nothing
        const own = current !== undefined && current !== base && current !== repository.ref
        const branch = named ?? (own ? current : branchFor(agent, today))
        if (branch !== current) {
          yield* Effect.catchReason(git.createBranch(workspace, branch), "GitError", "BranchExists", () =>
            git.checkout(workspace, branch)
          )
        }
        const { files } =
          status.entries.length === 0
            ? { files: [] }
            : yield* commitIn(workspace, { ...allowed, message: message ?? spec.title, author })
        return { files, ...(yield* git.push(workspace, { ...allowed, branch })) }
      })
    )
    const { outcome, pullRequest } = yield* github.createPullRequest(repo, {
      ...spec,
      base,
      head: pushed.branch
    })
    return { ...pushed, repository: repo, outcome, pullRequest } satisfies Opened
  })

  /** One file on a branch of its own, in a clone that is gone afterwards. */
  const propose = (
    place: AgentSandbox,
    repo: GitHubModel.Repo,
    base: string,
    report: ReportFile.ReportFile,
    author: GitName.Author
  ) =>
    Effect.gen(function* () {
      const dir = `${place.home}/.agent/${report.branch.replaceAll("/", "-")}`
      const { files } = place.sandbox
      const failed = Effect.mapError((cause: Effect.Error<ReturnType<typeof files.remove>>) =>
        GitError.fail("clone", new GitError.SandboxFailed({ cause }))
      )
      // What a process that died in the middle has left.
      yield* failed(files.remove(dir))
      yield* Effect.addFinalizer(() =>
        Effect.catch(files.remove(dir), (error) =>
          Effect.logWarning("The clone of a report may be left in the sandbox", error)
        )
      )
      const repository = AgentRepository.fullName(repo)
      const workspace = yield* git.clone(place.sandbox, {
        repository,
        ref: base,
        dir,
        depth: 1,
        mode: "relay",
        lfs: "pointers",
        submodules: "ignore"
      })
      yield* Effect.catchReason(git.checkout(workspace, report.branch), "GitError", "RefNotFound", () =>
        git.createBranch(workspace, report.branch)
      )
      yield* failed(files.write(`${dir}/${report.path}`, report.content))
      const committed = yield* git
        .commit(workspace, { message: report.title, author, paths: [report.path] })
        .pipe(
          Effect.as([report.path]),
          Effect.catchReason("GitError", "NothingToCommit", () => Effect.succeed([]))
        )
      return { files: committed, ...(yield* git.push(workspace, { branch: report.branch })) }
    }).pipe(Effect.scoped)

  const publish = Effect.fn("Repositories.publish")(function* (
    id: Id.AgentId,
    question: string,
    options: PublishOptions = {}
  ) {
    const { author = defaultAuthor, base: named, draft, labels, repository, ...query } = options
    const agent = yield* orchestrator.agents.get(id)
    const repo = repository ?? (yield* recorded("publish", id)).repo
    const { defaultBranch } = yield* ready(repo)
    const base = named ?? defaultBranch
    const result = yield* agent.query(question, query)
    const report = ReportFile.make(agent.record, result, yield* DateTime.now)
    const pushed = yield* agent.withExclusiveAccess(
      "publish",
      (place) => propose(place, repo, base, report, author),
      { whenRunning: "wait" }
    )
    const { body, path, title } = report
    const { outcome, pullRequest } = yield* github.createPullRequest(repo, {
      head: pushed.branch,
      title,
      body,
      base,
      draft,
      labels
    })
    return { ...pushed, repository: repo, outcome, pullRequest, path, result } satisfies Published
  })

  return Repositories.of({
    clone,
    pull,
    status: Effect.fn("Repositories.status")((id, options) => within("status", id, options, git.status)),
    branch: Effect.fn("Repositories.branch")((id, name, from, options) =>
      within("branch", id, options, (workspace) => git.createBranch(workspace, name, from))
    ),
    commit: Effect.fn("Repositories.commit")((id, spec, options) =>
      within("commit", id, options, (workspace) => commitIn(workspace, spec))
    ),
    push: Effect.fn("Repositories.push")((id, push, options) =>
      within("push", id, options, (workspace) => git.push(workspace, push))
    ),
    openPullRequest,
    publish
  })
})

/** The repositories of the agents of an orchestrator. */
export const layer: Layer.Layer<
  Repositories,
  never,
  Orchestrator | StateStore | GitWorkspace.GitWorkspace | GitHub.GitHub
> = Layer.effect(Repositories, make)
