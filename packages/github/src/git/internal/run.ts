/** Runs the scripts of git in a sandbox and turns their exit codes into reasons. */
import { GitError, type SandboxError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { type Duration, Effect } from "effect"
import { isCommitId } from "../GitName.ts"
import { readScript } from "../scripts/readScript.ts"
import type { Head, Permissions, WorkTree } from "../Workspace.ts"
import { exitCodes } from "./exitCodes.ts"
import { paths } from "./porcelain.ts"
import { remoteReason } from "./remoteFailure.ts"

/** One script and its input, with the names that its errors mention. */
export interface Step {
  /** A file in `git/scripts`. */
  readonly script: `${string}.sh`
  readonly args?: ReadonlyArray<string> | undefined
  readonly stdin?: string | undefined
  readonly branch?: string | undefined
  readonly ref?: string | undefined
  /** The git command that an error without a reason of its own names. */
  readonly command: string
}

/** Only the configuration of the repository applies. */
const environment = {
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  GIT_EDITOR: "true",
  LC_ALL: "C"
}

/** Maps a failure of the sandbox to a failure of git. */
export const sandboxFailed =
  (operation: GitError.Operation) =>
  <A, R>(effect: Effect.Effect<A, SandboxError.SandboxError, R>): Effect.Effect<A, GitError.GitError, R> =>
    Effect.mapError(effect, (cause) => GitError.fail(operation, new GitError.SandboxFailed({ cause })))

const conflicts = (stdout: string): ReadonlyArray<string> => {
  const all = paths(stdout)
  const gap = all.indexOf("")
  if (gap < 0) return all
  const incoming = all.slice(0, gap)
  // A file is also in the way of a folder, and a folder of a file.
  return all
    .slice(gap + 1)
    .filter((path) =>
      incoming.some((one) => one === path || one.startsWith(`${path}/`) || path.startsWith(`${one}/`))
    )
}

/** A conflict without a file in it is a failure of another kind. */
const conflictOf = (command: string, files: ReadonlyArray<string>): GitError.Reason =>
  files.length === 0
    ? new GitError.CommandFailed({ command, exitCode: 1, where: "sandbox" })
    : new GitError.Conflict({ paths: [...new Set(files)] })

const lines = (stdout: string): ReadonlyArray<string> => stdout.split("\n").filter((line) => line !== "")

/** The reason that an exit code of a script stands for. */
export const reasonOf = (
  { dir, repository }: WorkTree,
  { branch = "", command, ref = "" }: Step,
  { exitCode, stderr, stdout }: Sandbox.ExecResult
): GitError.Reason => {
  switch (exitCode) {
    case exitCodes.gitMissing:
      return new GitError.GitMissing({ where: "sandbox" })
    case exitCodes.notARepository:
      return new GitError.NotARepository({ dir })
    case exitCodes.folderNotEmpty:
      return new GitError.FolderNotEmpty({ dir })
    case exitCodes.nonFastForward:
      return new GitError.NonFastForward({ branch })
    case exitCodes.conflict:
      return conflictOf(command, conflicts(stdout))
    case exitCodes.refNotFound:
      return new GitError.RefNotFound({ ref })
    case exitCodes.nothingToCommit:
      return new GitError.NothingToCommit({})
    case exitCodes.detachedHead:
      return new GitError.DetachedHead({})
    case exitCodes.branchExists:
      return new GitError.BranchExists({ branch })
    case exitCodes.submodulesFound:
      return new GitError.SubmodulesFound({ paths: lines(stdout) })
    case exitCodes.lfsFound:
      return new GitError.LfsFound({ paths: lines(stdout) })
    case exitCodes.nestedRepositories:
      return new GitError.NestedRepositories({ paths: lines(stdout) })
    case exitCodes.conflictMarkers:
      return new GitError.ConflictMarkers({ paths: lines(stdout) })
    case exitCodes.operationInProgress:
      return new GitError.OperationInProgress({ name: stdout.trim() })
    case exitCodes.locked:
      return new GitError.Locked({ paths: lines(stdout) })
    case exitCodes.refConflict:
      return new GitError.RefConflict({
        ref: branch === "" ? ref : branch,
        existing: value(stdout, "existing") ?? ""
      })
    case exitCodes.fileTooLarge: {
      const [, bytes = "0", limitBytes = "0", path = ""] = /^blob (\d+) (\d+) ([^\n]*)/.exec(stdout) ?? []
      return new GitError.FileTooLarge({ path, bytes: Number(bytes), limitBytes: Number(limitBytes) })
    }
    default:
      return (
        remoteReason(repository, stderr) ??
        new GitError.CommandFailed({ command, exitCode, where: "sandbox" })
      )
  }
}

/** Runs a script and returns its result, whatever the exit code. */
export const attempt = (
  operation: GitError.Operation,
  { dir, hooks, lfs, sandbox, submodules }: WorkTree,
  { args = [], script, stdin }: Step,
  wall: Duration.Input
): Effect.Effect<Sandbox.ExecResult, GitError.GitError> => {
  const allow = (submodules === "ignore" ? "s" : "") + (lfs === "pointers" ? "l" : "")
  return sandbox
    .exec({
      argv: ["sh", "-c", readScript(script), "git", dir, hooks === true ? "yes" : "no", allow, ...args],
      env: environment,
      stdin,
      timeouts: { wall }
    })
    .pipe(sandboxFailed(operation))
}

/** Runs a script and returns what it printed. Fails with the reason that a nonzero exit code stands for. */
export const run = (
  operation: GitError.Operation,
  place: WorkTree,
  step: Step,
  wall: Duration.Input
): Effect.Effect<string, GitError.GitError> =>
  Effect.flatMap(attempt(operation, place, step, wall), (result) =>
    result.exitCode === 0
      ? Effect.succeed(result.stdout)
      : Effect.fail(GitError.fail(operation, reasonOf(place, step, result)))
  )

/** The letters by which the scripts know what is permitted. */
export const permitted = (permissions: Permissions): string =>
  [
    permissions.allowNestedRepositories === true ? "n" : "",
    permissions.allowConflictMarkers === true ? "m" : "",
    permissions.allowInProgress === true ? "p" : ""
  ].join("")

/** The values of the lines `<name> <value>` that a script printed. */
export const values = (stdout: string, name: string): ReadonlyArray<string> =>
  stdout
    .split("\n")
    .filter((line) => line.startsWith(`${name} `))
    .map((line) => line.slice(name.length + 1))

/** The first of {@link values}; none when it is empty. */
export const value = (stdout: string, name: string): string | undefined => {
  const [first] = values(stdout, name)
  return first === "" ? undefined : first
}

/** Reads the branch and the commit that a script printed. */
export const headOf =
  (operation: GitError.Operation) =>
  (stdout: string): Effect.Effect<Head, GitError.GitError> => {
    const commit = value(stdout, "head")
    return commit === undefined || !isCommitId(commit)
      ? Effect.fail(GitError.fail(operation, new GitError.RefNotFound({ ref: "HEAD" })))
      : Effect.succeed({ branch: value(stdout, "branch"), commit })
  }
