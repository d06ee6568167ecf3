/**
 * Pushes a branch of a working tree, through the host or with git in the sandbox.
 *
 * The caller names the branch and the commit that it may replace, and the host checks both against the server. Git in the
 * sandbox decides only which commits it offers.
 */
import { GitError } from "@remote-agent/domain"
import { Effect } from "effect"
import type { OwnBranch, Pushed, PushOptions, Workspace } from "../Workspace.ts"
import * as BundleRelay from "./bundleRelay.ts"
import { isExitCode } from "./exitCodes.ts"
import type { Mirror } from "./mirrorCache.ts"
import { type Dependencies, type Remote, validCommit } from "./remote.ts"
import { pushReason } from "./remoteFailure.ts"
import * as GitSandbox from "./run.ts"

/** Fails with `BranchNotOwned` for a branch that may be pushed only by its name. */
const checkOwn = Effect.fnUntraced(function* (mirror: Mirror, branch: string, own: OwnBranch) {
  const refuse = (kind: GitError.BranchNotOwned["kind"]) =>
    GitError.fail("push", new GitError.BranchNotOwned({ branch, kind }))
  if (branch === own.base) return yield* refuse("base")
  if (branch === (yield* mirror.defaultBranch)) return yield* refuse("default")
  if (!own.pushed && (yield* mirror.branch(branch)) !== undefined) return yield* refuse("foreign")
})

/** The commit that a push may replace. A branch that was not pushed before must still be absent. */
const replacedBy = ({ own, replaces }: PushOptions): string | undefined =>
  own !== undefined && !own.pushed ? "" : replaces

export const make = (
  { largestFile, largestTransfer, relay, wall }: Dependencies,
  { gitOptions, mirrorOf, step }: Remote
) => {
  /** Has the sandbox write a bundle, and reads it. */
  const bundleOf = Effect.fnUntraced(function* (
    workspace: Workspace,
    branch: string,
    path: string,
    all: boolean,
    permitted: string
  ) {
    const tooLarge = GitError.fail("push", new GitError.TooLarge({ limitBytes: largestTransfer }))
    const printed = yield* step("push", workspace, {
      script: "push-bundle.sh",
      args: [String(largestFile), branch, path, all ? "yes" : "", permitted],
      command: "bundle",
      ref: branch
    })
    const size = GitSandbox.value(printed, "size")
    if (Number(size ?? 0) > largestTransfer) return yield* tooLarge
    return {
      commit: yield* validCommit("push", GitSandbox.value(printed, "head") ?? ""),
      content:
        size === undefined
          ? undefined
          : // The file may have been exchanged since its size was printed.
            yield* workspace.sandbox.files.read(path, { limitBytes: largestTransfer }).pipe(
              Effect.catchReason("SandboxError", "FileTooLarge", () => Effect.fail(tooLarge)),
              Effect.catchTag("SandboxError", (cause) =>
                Effect.fail(GitError.fail("push", new GitError.SandboxFailed({ cause })))
              )
            )
    }
  })

  /** None when the bundle builds on commits that the server no longer has. */
  const pushOnce = Effect.fnUntraced(function* (
    workspace: Workspace,
    { branch, to, ...options }: PushOptions,
    all: boolean
  ) {
    const target = to ?? branch
    const path = yield* BundleRelay.bundlePath
    const remove = Effect.catch(workspace.sandbox.files.remove(path), (error) =>
      Effect.logWarning("A bundle may be left in the sandbox", error)
    )
    return yield* Effect.gen(function* () {
      const { commit, content } = yield* bundleOf(workspace, branch, path, all, GitSandbox.permitted(options))
      const done = yield* Effect.scoped(
        Effect.gen(function* () {
          const mirror = yield* mirrorOf("push", workspace.repository)
          if (options.own !== undefined) yield* checkOwn(mirror, target, options.own)
          const replaces = replacedBy({ branch, ...options })
          return yield* relay.push("push", mirror, { commit, branch: target, replaces }, content)
        })
      )
      if (!done) {
        yield* remove
        return undefined
      }
      yield* step("push", workspace, {
        script: "push-done.sh",
        args: [path, target, commit],
        command: "update-ref"
      })
      return { branch: target, commit } satisfies Pushed
    }).pipe(Effect.onError(() => remove))
  })

  const pushRelay = Effect.fnUntraced(function* (workspace: Workspace, options: PushOptions) {
    const pushed = (yield* pushOnce(workspace, options, false)) ?? (yield* pushOnce(workspace, options, true))
    return (
      pushed ??
      (yield* GitError.fail(
        "push",
        new GitError.CommandFailed({ command: "bundle", exitCode: 1, where: "host" })
      ))
    )
  })

  const pushDirect = Effect.fnUntraced(function* (workspace: Workspace, how: PushOptions) {
    const { branch, own, to, ...permissions } = how
    const target = to ?? branch
    if (own !== undefined) {
      yield* Effect.scoped(
        Effect.flatMap(mirrorOf("push", workspace.repository), (mirror) => checkOwn(mirror, target, own))
      )
    }
    const replaces = replacedBy(how)
    const options = yield* gitOptions("push", workspace, "credential")
    const one: GitSandbox.Step = {
      script: "push-direct.sh",
      args: [
        String(largestFile),
        branch,
        target,
        replaces === undefined ? "" : "yes",
        replaces ?? "",
        GitSandbox.permitted(permissions),
        ...options
      ],
      command: "push",
      ref: branch
    }
    const done = yield* GitSandbox.attempt("push", workspace, one, wall)
    if (done.exitCode === 0) {
      const commit = yield* validCommit("push", GitSandbox.value(done.stdout, "head") ?? "")
      return { branch: target, commit } satisfies Pushed
    }
    return yield* GitError.fail(
      "push",
      isExitCode(done.exitCode)
        ? GitSandbox.reasonOf(workspace, one, done)
        : pushReason(workspace.repository, target, done, "sandbox")
    )
  }, Effect.scoped)

  return (workspace: Workspace, options: PushOptions) =>
    workspace.mode === "credential" ? pushDirect(workspace, options) : pushRelay(workspace, options)
}
