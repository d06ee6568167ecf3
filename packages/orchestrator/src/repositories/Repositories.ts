import { Agent, type GitError, type Id } from "@remote-agent/domain"
import type { GitHub, GitWorkspace } from "@remote-agent/github"
import { Context, Effect, Layer } from "effect"
import * as AgentRepository from "../agents/AgentRepository.ts"
import type { Orchestrator } from "../Orchestrator.ts"
import * as AgentStore from "../state/AgentStore.ts"
import type { StateStore } from "../state/StateStore.ts"
import * as Access from "./internal/access.ts"
import * as Publish from "./internal/publish.ts"
import * as PullRequest from "./internal/pullRequest.ts"
import * as Push from "./internal/push.ts"
import type {
  CloneSpec,
  CommitSpec,
  Committed,
  Failure,
  Opened,
  PublishOptions,
  Published,
  PullRequestSpec,
  PushSpec,
  RepositoryOptions
} from "./specs.ts"

export type * from "./specs.ts"
export { defaultAuthor } from "./specs.ts"

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
    /** Compares the files of the working tree with a commit, the last one when absent. Untracked files are left out. */
    readonly diff: (
      id: Id.AgentId,
      from?: string,
      options?: RepositoryOptions
    ) => Effect.Effect<GitWorkspace.Diff, Failure>
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
    /**
     * Pushes a branch. The caller or the record of the agent names it, never what is checked out in the sandbox. Fails
     * with `BranchNotNamed` when neither does, and with `BranchNotOwned`.
     */
    readonly push: (
      id: Id.AgentId,
      push?: PushSpec,
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
     * Puts a question, and proposes the answer as a dated report in Markdown: one file that is committed on this machine,
     * so that nothing of the sandbox goes with it. The same question to the same agent on the same day updates it. The
     * credentials and the repository are looked at before the question is put; without an answer nothing is made.
     */
    readonly publish: (
      id: Id.AgentId,
      question: string,
      options?: PublishOptions
    ) => Effect.Effect<Published, Failure>
  }
>()("@remote-agent/orchestrator/Repositories") {}

/** Makes the service over an orchestrator and its store. */
export const make = Effect.gen(function* () {
  const access = yield* Access.make
  const { commitIn, git, note, noteRepository, orchestrator, within } = access

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

  const noteSeen = (id: Id.AgentId, { branch, commit }: GitError.NonFastForward) =>
    commit === undefined
      ? Effect.void
      : noteRepository("pull", id, (repository) => AgentRepository.withBranch(repository, branch, { commit }))

  const pull = Effect.fn("Repositories.pull")(function* (
    id: Id.AgentId,
    how?: GitWorkspace.PullOptions,
    options?: RepositoryOptions
  ) {
    const pulled = yield* within("pull", id, options, (workspace) => git.pull(workspace, how)).pipe(
      // The caller learns of the commits there, so a push with force may replace them.
      Effect.tapError((error) =>
        error._tag === "GitError" && error.reason._tag === "NonFastForward"
          ? noteSeen(id, error.reason)
          : Effect.void
      )
    )
    const { commit, seen } = pulled
    yield* noteRepository("pull", id, (repository) => {
      const at = new Agent.Repository({ ...repository, commit })
      return seen === undefined ? at : AgentRepository.withBranch(at, seen.branch, { commit: seen.commit })
    })
    return pulled
  })

  return Repositories.of({
    clone,
    pull,
    status: Effect.fn("Repositories.status")((id, options) => within("status", id, options, git.status)),
    diff: Effect.fn("Repositories.diff")((id, from, options) =>
      within("diff", id, options, (workspace) => git.diff(workspace, from))
    ),
    branch: Effect.fn("Repositories.branch")((id, name, from, options) =>
      Effect.tap(
        within("branch", id, options, (workspace) => git.createBranch(workspace, name, from)),
        noteRepository("branch", id, (repository) =>
          AgentRepository.withBranch(repository, name, { created: true })
        )
      )
    ),
    commit: Effect.fn("Repositories.commit")((id, spec, options) =>
      within("commit", id, options, (workspace) => commitIn(workspace, spec))
    ),
    push: Push.make(access),
    openPullRequest: PullRequest.make(access),
    publish: Publish.make(access)
  })
})

/**
 * The repositories of the agents of an orchestrator.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  Repositories,
  never,
  Orchestrator | StateStore | GitWorkspace.GitWorkspace | GitHub.GitHub
> = Layer.effect(Repositories, make).pipe(Layer.provide(AgentStore.layer))
