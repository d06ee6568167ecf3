import type { GitError, GitHubError, OrchestratorError, Query } from "@remote-agent/domain"
import type { GitHubModel, GitName, GitWorkspace } from "@remote-agent/github"
import type { AgentOperationOptions } from "../agents/AgentLifecycle.ts"
import type { AgentSandboxOptions } from "../agents/AgentSandboxes.ts"
import type { QueryOptions } from "../queries/Queries.ts"

/**
 * The failures of work in the repository of an agent.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure = GitError.GitError | GitHubError.GitHubError | OrchestratorError.OrchestratorError

/**
 * Says what to do about a running query, and whether to wake the agent.
 *
 * @category models
 * @since 0.1.0
 */
export interface RepositoryOptions extends AgentOperationOptions, AgentSandboxOptions {}

/**
 * The author of commits without a named author.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultAuthor: GitName.Author = { name: "Remote Agent", email: "remote-agent@localhost" }

/**
 * The repository to clone.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloneSpec {
  readonly url: string
  /** A branch, tag or commit; the default branch when absent. */
  readonly ref?: string | undefined
  /** How many commits of its history; all when absent. */
  readonly depth?: number | undefined
}

/**
 * The changes to commit.
 *
 * @category models
 * @since 0.1.0
 */
export interface CommitSpec extends GitWorkspace.Permissions {
  readonly message: string
  /** {@link defaultAuthor} when absent. */
  readonly author?: GitName.Author | undefined
  /** Only these files; every change when absent. */
  readonly paths?: ReadonlyArray<string> | undefined
}

/**
 * The branch to push.
 *
 * @category models
 * @since 0.1.0
 */
export interface PushSpec extends GitWorkspace.Permissions {
  /**
   * The branch of the working tree. When absent: the one that `branch` or `openPullRequest` created last, unless it is
   * the base of the work, the default branch, or a branch of the server that was not pushed from here.
   */
  readonly branch?: string | undefined
  /** The branch of the server; the same name when absent. */
  readonly to?: string | undefined
  /** Replaces the server's branch if it is still where this machine saw it last, on a clone, a pull or a push. */
  readonly force?: boolean | undefined
}

/**
 * A commit that was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Committed extends GitWorkspace.Head {
  /** The files that it changes, as they are called now. */
  readonly files: ReadonlyArray<string>
}

/**
 * The pull request to open.
 *
 * @category models
 * @since 0.1.0
 */
export interface PullRequestSpec extends Omit<GitHubModel.PullRequestSpec, "head">, GitWorkspace.Permissions {
  /**
   * The branch with the changes. When absent: the one that is checked out, if it was created through this service;
   * otherwise one that is named after the agent and the day.
   */
  readonly branch?: string | undefined
  /** The title when absent. */
  readonly message?: string | undefined
  /** {@link defaultAuthor} when absent. */
  readonly author?: GitName.Author | undefined
}

/**
 * A pull request that was opened, updated, or open already.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  readonly repository: GitHubModel.Repo
  readonly branch: string
  /** The commit that was pushed. */
  readonly commit: string
  /** The files that were committed for it; none when all were committed before. */
  readonly files: ReadonlyArray<string>
  /** `unchanged`: it was open already, and only its commits changed. */
  readonly outcome: "created" | "updated" | "unchanged"
  readonly pullRequest: GitHubModel.PullRequest
}

/**
 * Says how and where an answer is published.
 *
 * @category models
 * @since 0.1.0
 */
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

/**
 * An answer, and the pull request that proposes it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Published extends Opened {
  /** The file of the report. */
  readonly path: string
  readonly result: Query.QueryResult
}
