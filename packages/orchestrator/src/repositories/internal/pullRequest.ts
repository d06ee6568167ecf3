import { type Agent, GitError, type Id } from "@remote-agent/domain"
import type { GitHubModel } from "@remote-agent/github"
import { DateTime, Effect } from "effect"
import * as AgentRepository from "../../agents/AgentRepository.ts"
import * as ReportFile from "../ReportFile.ts"
import type { Opened, PullRequestSpec, RepositoryOptions } from "../specs.ts"
import type { Access } from "./access.ts"

/** The name of the branch that proposes the work of an agent. */
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

/**
 * The branch that is checked out, if the host created it and it is not the base. The sandbox chooses only among
 * branches of the record.
 */
const ownBranch = (
  { branches = [], ref }: Agent.Repository,
  current: string | undefined,
  base: string
): string | undefined =>
  branches.some(({ created, name }) => created === true && name === current && name !== base && name !== ref)
    ? current
    : undefined

const nothing = GitError.fail("commit", new GitError.NothingToCommit({}))

/** Makes `Repositories.openPullRequest`. */
export const make = ({ commitIn, git, github, noteRepository, ready, recorded, within }: Access) => {
  /** The base branch of a pull request: as given, the branch that the agent tracks, or the default branch. */
  const baseOf = Effect.fnUntraced(function* (
    repo: GitHubModel.Repo,
    base: string | undefined,
    ref: string | undefined,
    fallback: string
  ) {
    if (base !== undefined || ref === undefined) return base ?? fallback
    return yield* github.latestCommit(repo, ref).pipe(
      Effect.as(ref),
      // A pull request needs a branch. The agent tracks a tag or a commit.
      Effect.catchReason("GitHubError", "NotFound", () => Effect.succeed(fallback))
    )
  })

  return Effect.fn("Repositories.openPullRequest")(function* (
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
        const generated = branchFor(agent, today)
        const branch = named ?? ownBranch(repository, current, base) ?? generated
        // The name of the agent is part of the generated name, so no foreign branch is called like it.
        const pushedBefore =
          branch === generated ||
          repository.branches?.some((one) => one.name === branch && one.pushed === true) === true
        if (branch !== current) {
          yield* Effect.catchReason(git.createBranch(workspace, branch), "GitError", "BranchExists", () =>
            git.checkout(workspace, branch)
          )
        }
        const { files } =
          status.entries.length === 0
            ? { files: [] }
            : yield* commitIn(workspace, { ...allowed, message: message ?? spec.title, author })
        const { commit } = yield* git.push(workspace, {
          ...allowed,
          branch,
          own: named === undefined ? { base, pushed: pushedBefore } : undefined
        })
        return { files, branch, commit }
      })
    )
    yield* noteRepository("openPullRequest", id, (now) =>
      AgentRepository.withBranch(now, pushed.branch, {
        commit: pushed.commit,
        pushed: true,
        ...(named === undefined ? { created: true } : {})
      })
    )
    const { outcome, pullRequest } = yield* github.createPullRequest(repo, {
      ...spec,
      base,
      head: pushed.branch
    })
    return { ...pushed, repository: repo, outcome, pullRequest } satisfies Opened
  })
}
