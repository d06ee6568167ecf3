/**
 * Reads why git could not use a server. git has one exit code for all reasons, so its messages decide; the locale is
 * always C.
 */
import { GitError } from "@remote-agent/domain"
import * as GitPorcelain from "./porcelain.ts"

const unreachable =
  /unable to access|could not resolve host|RPC failed|early EOF|hung up unexpectedly|expected flush after|returned error: 5\d\d|returned error: 429|unexpected disconnect/i

/** Why git could not use a repository on a server; none when the failure has nothing to do with the server. */
export const remoteReason = (repository: string, stderr: string): GitError.Reason | undefined => {
  if (/Authentication failed for|could not read (?:Username|Password) for|returned error: 401/.test(stderr)) {
    return new GitError.AuthenticationFailed({ repository })
  }
  if (/returned error: 403/.test(stderr)) return new GitError.PermissionDenied({ repository })
  if (/returned error: 404|repository '.*' not found|Repository not found/.test(stderr)) {
    return new GitError.RepositoryNotFound({ repository })
  }
  return unreachable.test(stderr) ? new GitError.Unreachable({ repository }) : undefined
}

const refusal = (
  branch: string,
  result: GitPorcelain.PushResult | undefined,
  stderr: string
): GitError.Reason | undefined => {
  if (result?.flag !== "!") return undefined
  if (!result.summary.startsWith("[remote rejected]")) return new GitError.NonFastForward({ branch })
  // GitHub's codes do not depend on the language: GH006 is a protected branch, GH013 a rule.
  if (
    /protected branch hook declined|repository rule violations/.test(result.summary) ||
    /\bGH0(?:06|13)\b/.test(stderr)
  ) {
    return new GitError.ProtectedBranch({ branch })
  }
  const beside = /'refs\/heads\/([^']+)' exists; cannot create/.exec(stderr)?.[1]
  if (beside !== undefined || result.summary.includes("directory file conflict")) {
    return new GitError.RefConflict({ ref: branch, existing: beside ?? branch.split("/")[0] ?? "" })
  }
  // Another client moved the branch between the look at it and the push.
  if (/cannot lock ref|failed to update ref|fetch first/.test(result.summary)) {
    return new GitError.NonFastForward({ branch })
  }
  return new GitError.PushRefused({ branch })
}

/** Why a push failed, from the output of `git push --porcelain`. */
export const pushReason = (
  repository: string,
  branch: string,
  done: { readonly exitCode: number; readonly stdout: string; readonly stderr: string },
  where: GitError.Where
): GitError.Reason =>
  refusal(
    branch,
    GitPorcelain.push(done.stdout).find(({ flag }) => flag === "!"),
    done.stderr
  ) ??
  remoteReason(repository, done.stderr) ??
  new GitError.CommandFailed({ command: "push", exitCode: done.exitCode, where })
