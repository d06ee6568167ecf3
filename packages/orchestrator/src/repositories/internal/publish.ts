import { GitError, type Id } from "@remote-agent/domain"
import type { GitHubModel, GitName } from "@remote-agent/github"
import { DateTime, Effect } from "effect"
import * as AgentRepository from "../../agents/AgentRepository.ts"
import type { AgentSandbox } from "../../runtime/AgentRuntime.ts"
import * as ReportFile from "../ReportFile.ts"
import { defaultAuthor, type Published, type PublishOptions } from "../specs.ts"
import type { Access } from "./access.ts"

/** Makes `Repositories.publish`. */
export const make = ({ git, github, orchestrator, ready, recorded }: Access) => {
  /** Commits one file to a branch of its own, in a clone that is removed afterwards. */
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
      // A process that was killed may have left one.
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

  return Effect.fn("Repositories.publish")(function* (
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
}
