import { Duration, Schema } from "effect"
import { SandboxError } from "../sandbox/SandboxError.ts"

const branch = { branch: Schema.String }
const repository = { repository: Schema.String }
const paths = { paths: Schema.Array(Schema.String) }

/** Where git ran: beside us, or in the sandbox. */
export const Where = Schema.Literals(["host", "sandbox"])
export type Where = typeof Where.Type

/** The branch has commits that the other side does not have, and the other way round. Nothing was changed. */
export class NonFastForward extends Schema.TaggedError<NonFastForward>()("NonFastForward", branch) {}

/** Changes to the same files stand against each other. The files are as they were before. */
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", paths) {}

/** No branch, tag or commit of that name. */
export class RefNotFound extends Schema.TaggedError<RefNotFound>()("RefNotFound", { ref: Schema.String }) {}

/** No file differs from the last commit. */
export class NothingToCommit extends Schema.TaggedError<NothingToCommit>()("NothingToCommit", {}) {}

/** The rules of the repository keep this branch from being pushed to. */
export class ProtectedBranch extends Schema.TaggedError<ProtectedBranch>()("ProtectedBranch", branch) {}

/** The server refused the push for a reason of its own (a hook, a rule, a limit). */
export class PushRefused extends Schema.TaggedError<PushRefused>()("PushRefused", branch) {}

/** No branch is checked out. */
export class DetachedHead extends Schema.TaggedError<DetachedHead>()("DetachedHead", {}) {}

/** A branch of that name exists. */
export class BranchExists extends Schema.TaggedError<BranchExists>()("BranchExists", branch) {}

/** A file in the commits to push is larger than the server takes. Nothing was pushed. */
export class FileTooLarge extends Schema.TaggedError<FileTooLarge>()("FileTooLarge", {
  path: Schema.String,
  bytes: Schema.Int,
  limitBytes: Schema.Int
}) {}

/** A name that git, or a server, does not take; `rule` says why. */
export class InvalidName extends Schema.TaggedError<InvalidName>()("InvalidName", {
  kind: Schema.Literals(["repository", "ref", "path", "author", "message", "commit"]),
  name: Schema.String,
  rule: Schema.String
}) {}

/** There is no token, or it is wrong or has expired. */
export class AuthenticationFailed extends Schema.TaggedError<AuthenticationFailed>()(
  "AuthenticationFailed",
  repository
) {}

/** The token is good and may not do this. */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()(
  "PermissionDenied",
  repository
) {}

/** The repository does not exist, or the token does not see it. */
export class RepositoryNotFound extends Schema.TaggedError<RepositoryNotFound>()(
  "RepositoryNotFound",
  repository
) {}

/** The repository has submodules and nobody said what to do with them. */
export class SubmodulesFound extends Schema.TaggedError<SubmodulesFound>()("SubmodulesFound", paths) {}

/** The repository keeps files in Git LFS and nobody said what to do with them. */
export class LfsFound extends Schema.TaggedError<LfsFound>()("LfsFound", paths) {}

/** The folder is no working tree of git. */
export class NotARepository extends Schema.TaggedError<NotARepository>()("NotARepository", {
  dir: Schema.String
}) {}

/** The folder to clone into has something in it. */
export class FolderNotEmpty extends Schema.TaggedError<FolderNotEmpty>()("FolderNotEmpty", {
  dir: Schema.String
}) {}

/** The server of the repository could not be reached, or failed. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", repository) {}

/** git took too long and was ended, with all that it had started. */
export class TimedOut extends Schema.TaggedError<TimedOut>()("TimedOut", { after: Schema.Duration }) {}

/** The sandbox in which git was to run failed. */
export class SandboxFailed extends Schema.TaggedError<SandboxFailed>()("SandboxFailed", {
  cause: SandboxError
}) {}

/** There is no git. */
export class GitMissing extends Schema.TaggedError<GitMissing>()("GitMissing", { where: Where }) {}

/** git is older than what this needs. */
export class GitTooOld extends Schema.TaggedError<GitTooOld>()("GitTooOld", {
  where: Where,
  version: Schema.String,
  needed: Schema.String
}) {}

/** More would go between the host and the sandbox, or come out of git, than is allowed. */
export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", { limitBytes: Schema.Int }) {}

/** The folder in which the host keeps repositories cannot be used. */
export class CacheFailed extends Schema.TaggedError<CacheFailed>()("CacheFailed", {
  path: Schema.String
}) {}

/** git failed in a way that has no name of its own. `command` is its first word. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  command: Schema.String,
  exitCode: Schema.Int,
  where: Where
}) {}

/** Why an operation of git failed. */
export const Reason = Schema.Union([
  NonFastForward,
  Conflict,
  RefNotFound,
  NothingToCommit,
  ProtectedBranch,
  PushRefused,
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

/** What was being done when it failed. */
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
  "credential"
])
export type Operation = typeof Operation.Type

/**
 * Every failure of `GitWorkspace`: `operation` says where, `reason` says why. It never holds a token, the arguments
 * of a command or what git printed. Recover with `Effect.catchReason("GitError", "NonFastForward", …)`.
 */
export class GitError extends Schema.TaggedError<GitError>()("GitError", {
  operation: Operation,
  reason: Reason
}) {
  override get message() {
    return `git ${this.operation}: ${explain(this.reason)}`
  }

  /** Whether doing the same again may help and cannot do harm. */
  get isRetryable(): boolean {
    const { reason } = this
    if (reason._tag === "SandboxFailed") return reason.cause.isRetryable
    return reason._tag === "Unreachable" || reason._tag === "TimedOut"
  }
}

const quoted = (text: string): string =>
  JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text).replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    "?"
  )

const list = (all: ReadonlyArray<string>): string =>
  all.length === 0
    ? "some files"
    : all.slice(0, 3).map(quoted).join(", ") + (all.length > 3 ? ` and ${all.length - 3} more` : "")

const explain = (reason: Reason): string => {
  switch (reason._tag) {
    case "NonFastForward":
      return `branch ${quoted(reason.branch)} has gone apart from its counterpart and nothing was changed. Pull with a merge, reset it to the other side, or push with force.`
    case "Conflict":
      return `changes stand against each other in ${list(reason.paths)}, and nothing was changed. Commit or discard the local changes, or resolve them by hand.`
    case "RefNotFound":
      return `there is no branch, tag or commit ${quoted(reason.ref)}. Check the name.`
    case "NothingToCommit":
      return "no file differs from the last commit. Change something first."
    case "ProtectedBranch":
      return `branch ${quoted(reason.branch)} is protected. Push another branch and open a pull request.`
    case "PushRefused":
      return `the server refused branch ${quoted(reason.branch)}. Look at the rules and hooks of the repository.`
    case "DetachedHead":
      return "no branch is checked out. Check out or create one first."
    case "BranchExists":
      return `branch ${quoted(reason.branch)} exists already. Check it out, or take another name.`
    case "FileTooLarge":
      return `${quoted(reason.path)} has ${reason.bytes} bytes and the server takes at most ${reason.limitBytes}. Take it out of the commits, or keep it in Git LFS.`
    case "InvalidName":
      return `${reason.kind} ${quoted(reason.name)} is not valid: ${reason.rule}. Choose another one.`
    case "AuthenticationFailed":
      return `${reason.repository} was not accessible with the token, or without one. Check GITHUB_TOKEN.`
    case "PermissionDenied":
      return `the token may not do this in ${reason.repository}. Give it write access to the contents of the repository.`
    case "RepositoryNotFound":
      return `there is no repository ${reason.repository}, or the token does not see it. Check the name and the access of the token.`
    case "SubmodulesFound":
      return `there are submodules at ${list(reason.paths)}. Ask for submodules: "ignore" to leave their folders empty.`
    case "LfsFound":
      return `files are kept in Git LFS by ${list(reason.paths)}. Ask for lfs: "pointers" to get the pointers instead of the contents.`
    case "NotARepository":
      return `${quoted(reason.dir)} is no working tree of git. Check the folder, or clone first.`
    case "FolderNotEmpty":
      return `${quoted(reason.dir)} is not empty. Clone into another folder, or empty it first.`
    case "Unreachable":
      return `the server of ${reason.repository} could not be reached. Check the network and try again.`
    case "TimedOut":
      return `git took longer than ${Duration.format(reason.after)} and was ended. Allow it more time, or try again.`
    case "SandboxFailed":
      return reason.cause.message
    case "GitMissing":
      return reason.where === "host"
        ? "git is not installed on this machine. Install it, or name the folder it is in."
        : "git is not installed in the sandbox. Take a template that has it."
    case "GitTooOld":
      return `git ${reason.version} (${reason.where}) is too old. Install ${reason.needed} or newer.`
    case "TooLarge":
      return `more than ${reason.limitBytes} bytes would be moved. Raise the limit, or clone with a depth.`
    case "CacheFailed":
      return `the folder ${quoted(reason.path)} cannot be used as a cache. Check its rights and the free space.`
    case "CommandFailed":
      return `git ${reason.command} failed with exit code ${reason.exitCode} (${reason.where}). Look at the state of the repository.`
  }
}

/** A {@link GitError} in fewer words. */
export const fail = (operation: Operation, reason: Reason): GitError => new GitError({ operation, reason })
