/** Runs git in a sandbox: arguments as arguments, reasons from exit codes. */
import { GitError, type SandboxError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { type Duration, Effect } from "effect"
import { paths } from "./porcelain.ts"
import { exits } from "./scripts.ts"
import { remoteReason } from "../HostGit.ts"

/** A working tree in a sandbox. Plain data: it may be written down and made anew. */
export interface WorkTree {
  readonly sandbox: Sandbox.Sandbox
  /** Absolute, or from the home folder of the sandbox. */
  readonly dir: string
  /** `owner/name`. */
  readonly repository: string
  /** Whether the hooks of the repository run. They are the repository's own programs. False when absent. */
  readonly hooks?: boolean | undefined
  /** What to do about submodules: `refuse` when absent; `ignore` leaves their folders empty. */
  readonly submodules?: "refuse" | "ignore" | undefined
  /** What to do about files in Git LFS: `refuse` when absent; `pointers` leaves the pointers in their place. */
  readonly lfs?: "refuse" | "pointers" | undefined
}

/** A step in a sandbox, and what it is about, for its errors. */
export interface Step {
  readonly script: string
  readonly args?: ReadonlyArray<string> | undefined
  readonly stdin?: string | undefined
  readonly branch?: string | undefined
  readonly ref?: string | undefined
  /** The word that names the step when git fails in it without a reason of its own. */
  readonly command: string
}

/** No configuration of the sandbox but that of the repository. */
const environment = {
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  GIT_EDITOR: "true",
  LC_ALL: "C"
}

/** Turns a failure of the sandbox into one of git. */
export const sandboxFailed =
  (operation: GitError.Operation) =>
  <A, R>(effect: Effect.Effect<A, SandboxError.SandboxError, R>): Effect.Effect<A, GitError.GitError, R> =>
    Effect.mapError(effect, (cause) => GitError.fail(operation, new GitError.SandboxFailed({ cause })))

const conflicts = (stdout: string): ReadonlyArray<string> => {
  const all = paths(stdout)
  const gap = all.indexOf("")
  if (gap < 0) return all
  const local = new Set(all.slice(gap + 1))
  return all.slice(0, gap).filter((path) => local.has(path))
}

const lines = (stdout: string): ReadonlyArray<string> => stdout.split("\n").filter((line) => line !== "")

/** What an exit code of a script stands for. */
export const reasonOf = (
  { dir, repository }: WorkTree,
  { branch = "", command, ref = "" }: Step,
  { exitCode, stderr, stdout }: Sandbox.ExecResult
): GitError.Reason => {
  switch (exitCode) {
    case exits.gitMissing:
      return new GitError.GitMissing({ where: "sandbox" })
    case exits.notARepository:
      return new GitError.NotARepository({ dir })
    case exits.folderNotEmpty:
      return new GitError.FolderNotEmpty({ dir })
    case exits.nonFastForward:
      return new GitError.NonFastForward({ branch })
    case exits.conflict:
      return new GitError.Conflict({ paths: conflicts(stdout) })
    case exits.refNotFound:
      return new GitError.RefNotFound({ ref })
    case exits.nothingToCommit:
      return new GitError.NothingToCommit({})
    case exits.detachedHead:
      return new GitError.DetachedHead({})
    case exits.branchExists:
      return new GitError.BranchExists({ branch })
    case exits.submodulesFound:
      return new GitError.SubmodulesFound({ paths: lines(stdout) })
    case exits.lfsFound:
      return new GitError.LfsFound({ paths: lines(stdout) })
    case exits.fileTooLarge: {
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

/** Runs a script of `GitScripts` in one trip, and gives how it ended, whatever the exit code. */
export const attempt = (
  operation: GitError.Operation,
  { dir, hooks, lfs, sandbox, submodules }: WorkTree,
  { args = [], script, stdin }: Step,
  wall: Duration.Input
): Effect.Effect<Sandbox.ExecResult, GitError.GitError> => {
  const allow = (submodules === "ignore" ? "s" : "") + (lfs === "pointers" ? "l" : "")
  return sandbox
    .exec({
      argv: ["sh", "-c", script, "git", dir, hooks === true ? "yes" : "no", allow, ...args],
      env: environment,
      stdin,
      timeouts: { wall }
    })
    .pipe(sandboxFailed(operation))
}

/** {@link attempt}, failing with the reason that the exit code stands for when it is not 0. */
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

/** The values of a line that a script prints as `<name> <value>`. */
export const values = (stdout: string, name: string): ReadonlyArray<string> =>
  stdout
    .split("\n")
    .filter((line) => line.startsWith(`${name} `))
    .map((line) => line.slice(name.length + 1))

/** The first of {@link values}, unless it is empty. */
export const value = (stdout: string, name: string): string | undefined => {
  const [first] = values(stdout, name)
  return first === "" ? undefined : first
}
