import type { Sandbox } from "@remote-agent/sandbox"
import type { Author } from "./GitName.ts"
import type { ChangedFile } from "./internal/porcelain.ts"

/**
 * The place of a working tree in a sandbox, and what it may contain.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkTree {
  readonly sandbox: Sandbox.Sandbox
  /** Absolute, or relative to the home folder of the sandbox. */
  readonly dir: string
  /** `owner/name`. */
  readonly repository: string
  /** Whether the repository's hooks run. They are programs of the repository. Default: false. */
  readonly hooks?: boolean | undefined
  /** What to do about submodules. Default: `refuse`. `ignore` leaves their folders empty. */
  readonly submodules?: "refuse" | "ignore" | undefined
  /** What to do about files in Git LFS. Default: `refuse`. `pointers` leaves the pointers in their place. */
  readonly lfs?: "refuse" | "pointers" | undefined
}

/**
 * How a working tree reaches its server.
 *
 * - `relay`: the host fetches and pushes, and moves the commits as bundles. The token never enters the sandbox.
 * - `direct`: git in the sandbox fetches without a credential; pushes are relayed. For public repositories.
 * - `credential`: git in the sandbox fetches and pushes with a credential that it gets for each call.
 *
 * @category models
 * @since 0.1.0
 */
export type Mode = "relay" | "direct" | "credential"

/**
 * A working tree in a sandbox. It is plain data and can be rebuilt from a record.
 *
 * @category models
 * @since 0.1.0
 */
export interface Workspace extends WorkTree {
  readonly mode: Mode
}

/**
 * The repository to clone and its destination.
 *
 * @category options
 * @since 0.1.0
 */
export interface CloneOptions {
  /** `owner/name`. */
  readonly repository: string
  /** A branch, a tag or a full commit id. Default: the default branch. */
  readonly ref?: string | undefined
  readonly dir: string
  /**
   * Files below `dir` that may be there before, such as the assets of a profile. Nothing else may. They stay out of
   * commits, and a file of the repository replaces one of the same path.
   */
  readonly placed?: ReadonlyArray<string> | undefined
  /** The number of commits of history. Default: all. */
  readonly depth?: number | undefined
  /** Default: `relay` when there is a token for the repository, else `direct`. */
  readonly mode?: Mode | undefined
  readonly submodules?: Workspace["submodules"]
  readonly lfs?: Workspace["lfs"]
  readonly hooks?: boolean | undefined
}

/**
 * What a working tree has checked out. `branch` is absent when HEAD is detached.
 *
 * @category models
 * @since 0.1.0
 */
export interface Head {
  readonly branch: string | undefined
  readonly commit: string
}

/**
 * A branch of the server and its commit, as the host knows them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly branch: string
  readonly commit: string
}

/**
 * What a clone has checked out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cloned extends Head {
  /** The server's branch that was cloned. Absent for a tag or a commit, and unless the host fetched it. */
  readonly seen?: Seen | undefined
}

/**
 * How to pull.
 *
 * @category options
 * @since 0.1.0
 */
export interface PullOptions {
  /**
   * What to do when the branch has commits that the server's branch lacks: `fail` (default), `merge`, or `reset` to
   * the server's branch, which discards those commits and every change.
   */
  readonly onDiverged?: "fail" | "merge" | "reset" | undefined
  /** The author of a merge commit. */
  readonly author?: Author | undefined
}

/**
 * The result of a pull.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pulled extends Head {
  /** The commit that was checked out before. */
  readonly before: string
  /** The server's branch that was pulled. Absent unless the host fetched it. */
  readonly seen?: Seen | undefined
}

/**
 * What a commit or a push may contain although it is most likely a mistake.
 *
 * @category options
 * @since 0.1.0
 */
export interface Permissions {
  /** Links to other repositories that `.gitmodules` does not declare. Their files are not part of the commit. */
  readonly allowNestedRepositories?: boolean | undefined
  /** Unresolved conflict markers in changed files. */
  readonly allowConflictMarkers?: boolean | undefined
  /** A merge, rebase, cherry-pick or revert that has stopped half-way. A commit concludes a merge. */
  readonly allowInProgress?: boolean | undefined
}

/**
 * What to commit.
 *
 * @category options
 * @since 0.1.0
 */
export interface CommitOptions extends Permissions {
  /** Kept byte for byte. */
  readonly message: string
  readonly author: Author
  /** Only these files. Default: every change. */
  readonly paths?: ReadonlyArray<string> | undefined
  readonly allowEmpty?: boolean | undefined
}

/**
 * What to push.
 *
 * @category options
 * @since 0.1.0
 */
export interface PushOptions extends Permissions {
  /** The branch of the working tree. */
  readonly branch: string
  /** The branch of the server. Default: the same name. Git in the sandbox has no say in it. */
  readonly to?: string | undefined
  /**
   * Replaces the server's branch if it is still at this commit, which the caller saw there last; the empty text stands
   * for a branch that does not exist. Default: commits are only added.
   */
  readonly replaces?: string | undefined
  /** Refuses a branch that is not the caller's own with `BranchNotOwned`. Default: every branch is pushed. */
  readonly own?: OwnBranch | undefined
}

/**
 * What the caller knows of a branch that nobody named. The default branch of the repository is always refused.
 *
 * @category options
 * @since 0.1.0
 */
export interface OwnBranch {
  /** The branch that the work is based on, which is refused. */
  readonly base?: string | undefined
  /** Whether the caller pushed the branch before. Otherwise it is refused when the server has it already. */
  readonly pushed: boolean
}

/**
 * A commit of one file, made on the host.
 *
 * @category options
 * @since 0.1.0
 */
export interface FileCommit {
  /** `owner/name`. */
  readonly repository: string
  /** Where the branch starts when the server does not have it: a branch, a tag or a commit. */
  readonly base: string
  readonly branch: string
  readonly path: string
  readonly content: string
  readonly message: string
  readonly author: Author
}

/**
 * The result of a push.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pushed {
  readonly branch: string
  readonly commit: string
}

/**
 * The result of {@link FileCommit}. `changed` is false when the branch had the file already.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileCommitted extends Pushed {
  readonly changed: boolean
}

/**
 * The files that differ, and the patch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Diff {
  readonly files: ReadonlyArray<ChangedFile>
  readonly patch: string
}
