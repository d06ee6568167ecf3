import { Duration, Schema } from "effect"
import { SandboxError } from "../sandbox/SandboxError.ts"

const branch = { branch: Schema.String }
const diverged = { ...branch, commit: Schema.optionalKey(Schema.String) }
const repository = { repository: Schema.String }
const path = { path: Schema.String }
const paths = { paths: Schema.Array(Schema.String) }

const quoted = (text: string): string =>
  JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text).replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    "?"
  )

const list = (all: ReadonlyArray<string>): string =>
  all.length === 0
    ? "some files"
    : all.slice(0, 3).map(quoted).join(", ") + (all.length > 3 ? ` and ${all.length - 3} more` : "")

/**
 * Where git ran: on the host, or in the sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export const Where = Schema.Literals(["host", "sandbox"])
export type Where = typeof Where.Type

/**
 * The local branch and its remote branch each have commits that the other lacks. Nothing was changed. `commit` is that of
 * the remote branch, where the host fetched it.
 */
export class NonFastForward extends Schema.TaggedError<NonFastForward>()("NonFastForward", diverged) {
  override get message() {
    return `branch ${quoted(this.branch)} has diverged from its remote branch, and nothing was changed. Pull with a merge, reset it to the remote branch, or push with force after a pull.`
  }
}

/** Two changes to the same files conflict. The files are as they were before. */
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", paths) {
  override get message() {
    return `changes conflict in ${list(this.paths)}, and nothing was changed. Commit or discard the local changes, or resolve them by hand.`
  }
}

/** The repository has no branch, tag or commit of this name. */
export class RefNotFound extends Schema.TaggedError<RefNotFound>()("RefNotFound", { ref: Schema.String }) {
  override get message() {
    return `there is no branch, tag or commit ${quoted(this.ref)}. Check the name.`
  }
}

/** No file differs from the last commit. */
export class NothingToCommit extends Schema.TaggedError<NothingToCommit>()("NothingToCommit", {}) {
  override get message() {
    return "no file differs from the last commit. Change something first."
  }
}

/** A folder below the working tree is a repository of its own. git would record a link to it, without its files. */
export class NestedRepositories extends Schema.TaggedError<NestedRepositories>()(
  "NestedRepositories",
  paths
) {
  override get message() {
    return `${list(this.paths)} is a git repository of its own, and its files would be missing from the commit. Remove its .git folder, ignore the folder, or allow nested repositories.`
  }
}

/** The files contain unresolved conflict markers of a merge. */
export class ConflictMarkers extends Schema.TaggedError<ConflictMarkers>()("ConflictMarkers", paths) {
  override get message() {
    return `there are unresolved conflict markers in ${list(this.paths)}. Resolve them, or allow conflict markers.`
  }
}

/** A merge, rebase or other operation of git has stopped half-way and waits to be continued or aborted. */
export class OperationInProgress extends Schema.TaggedError<OperationInProgress>()("OperationInProgress", {
  /** Such as `rebase`. */
  name: Schema.String
}) {
  override get message() {
    return `a ${this.name} has stopped half-way. Continue or abort it in the sandbox (git ${this.name} --abort), or allow an operation in progress.`
  }
}

/** Another git holds lock files in the repository, or their holder cannot be determined. */
export class Locked extends Schema.TaggedError<Locked>()("Locked", paths) {
  override get message() {
    return `another git process works in the repository and holds ${list(this.paths)}. Wait for it and try again, or remove the lock if no git is running.`
  }
}

const refs = { ref: Schema.String, existing: Schema.String }

/** A branch name is a prefix of another one, such as `release` and `release/1.0`, and git cannot hold both. */
export class RefConflict extends Schema.TaggedError<RefConflict>()("RefConflict", refs) {
  override get message() {
    return `branch ${quoted(this.ref)} cannot exist beside branch ${quoted(this.existing)}. Rename or delete one of them.`
  }
}

/** The rules of the repository forbid pushing to this branch. */
export class ProtectedBranch extends Schema.TaggedError<ProtectedBranch>()("ProtectedBranch", branch) {
  override get message() {
    return `branch ${quoted(this.branch)} is protected. Push another branch and open a pull request.`
  }
}

/** The caller named no branch to push, and the host knows of none that it created for the agent. */
export class BranchNotNamed extends Schema.TaggedError<BranchNotNamed>()("BranchNotNamed", {}) {
  override get message() {
    return "no branch was named, and this machine did not create one for the agent. The checkout in the sandbox does not choose the branch. Name one (--branch), or create one first."
  }
}

const notOwned = {
  base: "is the branch that the agent's work is based on",
  default: "is the default branch of the repository",
  foreign: "exists on the server and was not pushed from here"
}
const ownership = { ...branch, kind: Schema.Literals(["base", "default", "foreign"]) }

/** A branch that the caller did not name, and that is not the caller's own: see `kind`. */
export class BranchNotOwned extends Schema.TaggedError<BranchNotOwned>()("BranchNotOwned", ownership) {
  override get message() {
    return `branch ${quoted(this.branch)} ${notOwned[this.kind]}, so it is pushed only when it is named. Name it (--branch), or push another branch.`
  }
}

/** The server refused the push because of a hook, a rule or a limit. */
export class PushRefused extends Schema.TaggedError<PushRefused>()("PushRefused", branch) {
  override get message() {
    return `the server refused branch ${quoted(this.branch)}. Look at the rules and hooks of the repository.`
  }
}

/** No branch is checked out. */
export class DetachedHead extends Schema.TaggedError<DetachedHead>()("DetachedHead", {}) {
  override get message() {
    return "no branch is checked out. Check out or create one first."
  }
}

/** A branch of this name exists already. */
export class BranchExists extends Schema.TaggedError<BranchExists>()("BranchExists", branch) {
  override get message() {
    return `branch ${quoted(this.branch)} exists already. Check it out, or choose another name.`
  }
}

/** A file in the commits to push is larger than the server accepts. Nothing was pushed. */
export class FileTooLarge extends Schema.TaggedError<FileTooLarge>()("FileTooLarge", {
  path: Schema.String,
  bytes: Schema.Int,
  limitBytes: Schema.Int
}) {
  override get message() {
    return `${quoted(this.path)} has ${this.bytes} bytes, and the server accepts at most ${this.limitBytes}. Take it out of the commits, or keep it in Git LFS.`
  }
}

/** Git, or the server, does not accept this name. `rule` explains why. */
export class InvalidName extends Schema.TaggedError<InvalidName>()("InvalidName", {
  kind: Schema.Literals(["repository", "ref", "path", "author", "message", "commit"]),
  name: Schema.String,
  rule: Schema.String
}) {
  override get message() {
    return `${this.kind} ${quoted(this.name)} is not valid: ${this.rule}. Choose another one.`
  }
}

/** No token is set, or it is wrong or has expired. */
export class AuthenticationFailed extends Schema.TaggedError<AuthenticationFailed>()(
  "AuthenticationFailed",
  repository
) {
  override get message() {
    return `${this.repository} was not accessible with the token, or without one. Check GITHUB_TOKEN.`
  }
}

/** The token is valid but does not allow this. */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", repository) {
  override get message() {
    return `the token may not do this in ${this.repository}. Give it write access to the contents of the repository.`
  }
}

/** The repository does not exist, or the token may not see it. */
export class RepositoryNotFound extends Schema.TaggedError<RepositoryNotFound>()(
  "RepositoryNotFound",
  repository
) {
  override get message() {
    return `there is no repository ${this.repository}, or the token may not see it. Check the name and the access of the token.`
  }
}

/** The repository has submodules, and the caller did not say how to treat them. */
export class SubmodulesFound extends Schema.TaggedError<SubmodulesFound>()("SubmodulesFound", paths) {
  override get message() {
    return `there are submodules at ${list(this.paths)}, and the token of one repository may not open others. Choose submodules: "ignore" (--submodules ignore) to leave their folders empty.`
  }
}

/** The repository keeps files in Git LFS, and the caller did not say how to treat them. */
export class LfsFound extends Schema.TaggedError<LfsFound>()("LfsFound", paths) {
  override get message() {
    return `Git LFS keeps the contents of ${list(this.paths)}. Choose lfs: "pointers" (--lfs pointers) to get the pointers instead of the contents.`
  }
}

const folder = { dir: Schema.String }

/** The folder is not a working tree of git. */
export class NotARepository extends Schema.TaggedError<NotARepository>()("NotARepository", folder) {
  override get message() {
    return `${quoted(this.dir)} is not a working tree of git. Check the folder, or clone first.`
  }
}

/** The folder to clone into is not empty. */
export class FolderNotEmpty extends Schema.TaggedError<FolderNotEmpty>()("FolderNotEmpty", folder) {
  override get message() {
    return `${quoted(this.dir)} is not empty. Clone into another folder, or empty it first.`
  }
}

/** The server of the repository could not be reached, or failed. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", repository) {
  override get message() {
    return `the server of ${this.repository} could not be reached. Check the network and try again.`
  }
}

/** Git took too long. It and every process it started were killed. */
export class TimedOut extends Schema.TaggedError<TimedOut>()("TimedOut", { after: Schema.Duration }) {
  override get message() {
    return `git took longer than ${Duration.format(this.after)} and was killed. Allow it more time, or try again.`
  }
}

/** The sandbox that git was to run in failed. */
export class SandboxFailed extends Schema.TaggedError<SandboxFailed>()("SandboxFailed", {
  cause: SandboxError
}) {
  override get message() {
    return this.cause.message
  }
}

/** Git is not installed. */
export class GitMissing extends Schema.TaggedError<GitMissing>()("GitMissing", { where: Where }) {
  override get message() {
    return this.where === "host"
      ? "git is not installed on this machine. Install it, or name the folder it is in."
      : "git is not installed in the sandbox. Use a template that has it."
  }
}

/** The installed git is older than this needs. */
export class GitTooOld extends Schema.TaggedError<GitTooOld>()("GitTooOld", {
  where: Where,
  version: Schema.String,
  needed: Schema.String
}) {
  override get message() {
    return `git ${this.version} (${this.where}) is too old. Install ${this.needed} or newer.`
  }
}

/** The transfer between host and sandbox, or the output of git, is larger than allowed. */
export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", { limitBytes: Schema.Int }) {
  override get message() {
    return `more than ${this.limitBytes} bytes would be moved. Raise the limit, or clone with a depth.`
  }
}

/** The folder in which the host caches repositories cannot be used. */
export class CacheFailed extends Schema.TaggedError<CacheFailed>()("CacheFailed", path) {
  override get message() {
    return `the folder ${quoted(this.path)} cannot be used as a cache. Check its permissions and the free space.`
  }
}

/** Git failed for a reason that has no class of its own. `command` is its subcommand. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  command: Schema.String,
  exitCode: Schema.Int,
  where: Where
}) {
  override get message() {
    return `git ${this.command} failed with exit code ${this.exitCode} (${this.where}). Look at the state of the repository.`
  }
}

/**
 * Why a git operation failed.
 *
 * @category models
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  NonFastForward,
  Conflict,
  RefNotFound,
  NothingToCommit,
  NestedRepositories,
  ConflictMarkers,
  OperationInProgress,
  Locked,
  RefConflict,
  ProtectedBranch,
  PushRefused,
  BranchNotNamed,
  BranchNotOwned,
  DetachedHead,
  BranchExists,
  FileTooLarge,
  InvalidName,
  AuthenticationFailed,
  PermissionDenied,
  RepositoryNotFound,
  SubmodulesFound,
  LfsFound,
  NotARepository,
  FolderNotEmpty,
  Unreachable,
  TimedOut,
  SandboxFailed,
  GitMissing,
  GitTooOld,
  TooLarge,
  CacheFailed,
  CommandFailed
])
export type Reason = typeof Reason.Type

/**
 * The operation that failed.
 *
 * @category models
 * @since 0.1.0
 */
export const Operation = Schema.Literals([
  "start",
  "clone",
  "pull",
  "checkout",
  "createBranch",
  "status",
  "diff",
  "commit",
  "push",
  "log",
  "currentCommit",
  "restore",
  "commitFile",
  "credential"
])
export type Operation = typeof Operation.Type

/**
 * Every failure of `GitWorkspace`.
 *
 * **Details**
 *
 * `operation` names the call that failed, `reason` the cause. An error never holds a token, the arguments of a command
 * or the output of git. Recover by reason: `Effect.catchReason("GitError", "NonFastForward", …)`.
 *
 * @category errors
 * @since 0.1.0
 */
export class GitError extends Schema.TaggedError<GitError>()("GitError", {
  operation: Operation,
  reason: Reason
}) {
  override get message() {
    return `git ${this.operation}: ${this.reason.message}`
  }

  /** Whether trying again may help and cannot do harm. */
  get isRetryable(): boolean {
    const { _tag } = this.reason
    if (this.reason._tag === "SandboxFailed") return this.reason.cause.isRetryable
    return _tag === "Unreachable" || _tag === "TimedOut" || _tag === "Locked"
  }
}

/**
 * Makes a {@link GitError} from its operation and reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fail = (operation: Operation, reason: Reason): GitError => new GitError({ operation, reason })
