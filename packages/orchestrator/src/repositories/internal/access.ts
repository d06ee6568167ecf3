import { Agent, type GitError, GitHubError, type Id, OrchestratorError } from "@remote-agent/domain"
import { GitHub, type GitHubModel, GitWorkspace } from "@remote-agent/github"
import { Effect, Option } from "effect"
import * as AgentRepository from "../../agents/AgentRepository.ts"
import { Orchestrator } from "../../Orchestrator.ts"
import * as AgentStore from "../../state/AgentStore.ts"
import {
  type Committed,
  type CommitSpec,
  defaultAuthor,
  type Failure,
  type RepositoryOptions
} from "../specs.ts"

/** The record of an agent with a repository, and the name of that repository at GitHub. */
interface Recorded {
  readonly agent: Agent.Agent
  readonly repo: GitHubModel.Repo
  readonly repository: Agent.Repository
}

/** The access to the repositories of agents, their working trees and GitHub. */
export interface Access {
  readonly orchestrator: Orchestrator["Service"]
  readonly git: GitWorkspace.GitWorkspace["Service"]
  readonly github: GitHub.GitHub["Service"]
  /** Reads a repository from GitHub. Fails with `Unauthorized` without a credential. */
  readonly ready: (repo: GitHubModel.Repo) => Effect.Effect<GitHubModel.Repository, GitHubError.GitHubError>
  /** Reads the record of an agent. Fails with `NoRepository` when it has no repository. */
  readonly recorded: (operation: string, id: Id.AgentId) => Effect.Effect<Recorded, Failure>
  /** Works in the working tree of an agent, while it answers no query. */
  readonly within: <A, E>(
    operation: string,
    id: Id.AgentId,
    options: RepositoryOptions | undefined,
    work: (workspace: GitWorkspace.Workspace) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | Failure>
  /** Changes the record of an agent. */
  readonly note: (
    operation: string,
    id: Id.AgentId,
    next: (agent: Agent.Agent) => Agent.Agent
  ) => Effect.Effect<Agent.Agent, Failure>
  /** Changes what the record of an agent says of its repository, if it has one. */
  readonly noteRepository: (
    operation: string,
    id: Id.AgentId,
    next: (repository: Agent.Repository) => Agent.Repository
  ) => Effect.Effect<void, Failure>
  /** Commits in a working tree, and returns the files of the commit. */
  readonly commitIn: (
    workspace: GitWorkspace.Workspace,
    spec: CommitSpec
  ) => Effect.Effect<Committed, GitError.GitError>
}

/** Makes the access over the current services. */
export const make: Effect.Effect<
  Access,
  never,
  Orchestrator | AgentStore.AgentStore | GitWorkspace.GitWorkspace | GitHub.GitHub
> = Effect.gen(function* () {
  const [orchestrator, git, github] = yield* Effect.all([
    Orchestrator,
    GitWorkspace.GitWorkspace,
    GitHub.GitHub
  ])
  const { change } = yield* AgentStore.AgentStore

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
      const { agent, repo, repository } = yield* recorded(operation, id)
      const mode = yield* modeOf
      return yield* orchestrator.agents
        .of(agent)
        .withExclusiveAccess(
          operation,
          (place) => work(AgentRepository.workspaceOf(place, repo, mode, repository)),
          options
        )
    })

  const note = (operation: string, id: Id.AgentId, next: (agent: Agent.Agent) => Agent.Agent) =>
    AgentStore.stored(operation, change(id, next))

  const noteRepository: Access["noteRepository"] = (operation, id, next) =>
    Effect.asVoid(
      note(operation, id, (agent) =>
        agent.repository === undefined
          ? agent
          : new Agent.Agent({ ...agent, repository: next(agent.repository) })
      )
    )

  const commitIn = Effect.fnUntraced(function* (workspace: GitWorkspace.Workspace, spec: CommitSpec) {
    const { author = defaultAuthor, paths } = spec
    const { entries } = yield* git.status(workspace)
    const head = yield* git.commit(workspace, { ...spec, author })
    const files = entries.map(({ path }) => path).filter((path) => paths?.includes(path) ?? true)
    return { ...head, files } satisfies Committed
  })

  return { commitIn, git, github, note, noteRepository, orchestrator, ready, recorded, within }
})
