/** Pushes a branch of a working tree, through the host or with git in the sandbox. */
import { GitError } from "@remote-agent/domain"
import { Effect } from "effect"
import type { Pushed, PushOptions, Workspace } from "../Workspace.ts"
import * as BundleRelay from "./bundleRelay.ts"
import { isExitCode } from "./exitCodes.ts"
import { type Dependencies, type Remote, validCommit, validName } from "./remote.ts"
import { pushReason } from "./remoteFailure.ts"
import * as GitSandbox from "./run.ts"

export const make = (
  { largestFile, largestTransfer, relay, wall }: Dependencies,
  { gitOptions, mirrorOf, step }: Remote
) => {
  /** Has the sandbox write a bundle, and reads from its output what it holds. */
  const bundleOf = Effect.fnUntraced(function* (
    workspace: Workspace,
    branch: string | undefined,
    path: string,
    all: boolean,
    permitted: string
  ) {
    const printed = yield* step("push", workspace, {
      script: "push-bundle.sh",
      args: [String(largestFile), branch ?? "", path, all ? "yes" : "", permitted],
      command: "bundle",
      ref: branch ?? "HEAD"
    })
    const size = GitSandbox.value(printed, "size")
    if (Number(size ?? 0) > largestTransfer) {
      return yield* GitError.fail("push", new GitError.TooLarge({ limitBytes: largestTransfer }))
    }
    const tracking = (target: string) =>
      GitSandbox.values(printed, "tracking")
        .find((line) => line.endsWith(` refs/remotes/origin/${target}`))
        ?.split(" ")[0]
    return {
      branch: yield* validName("push", GitSandbox.value(printed, "branch") ?? ""),
      commit: yield* validCommit("push", GitSandbox.value(printed, "head") ?? ""),
      tracking,
      content:
        size === undefined
          ? undefined
          : yield* workspace.sandbox.files.read(path).pipe(GitSandbox.sandboxFailed("push"))
    }
  })

  /** None when the bundle builds on commits that the server no longer has. */
  const pushOnce = Effect.fnUntraced(function* (
    workspace: Workspace,
    { branch: wanted, force, to, ...permissions }: PushOptions,
    all: boolean
  ) {
    const path = yield* BundleRelay.bundlePath
    const remove = Effect.catch(workspace.sandbox.files.remove(path), (error) =>
      Effect.logWarning("A bundle may be left in the sandbox", error)
    )
    return yield* Effect.gen(function* () {
      const { branch, commit, content, tracking } = yield* bundleOf(
        workspace,
        wanted,
        path,
        all,
        GitSandbox.permitted(permissions)
      )
      const target = to ?? branch
      const replaces = force === true ? (tracking(target) ?? "") : undefined
      const done = yield* Effect.scoped(
        Effect.flatMap(mirrorOf("push", workspace.repository), (mirror) =>
          relay.push("push", mirror, { commit, branch: target, replaces }, content)
        )
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

  const pushDirect = Effect.fnUntraced(function* (
    workspace: Workspace,
    { branch: wanted, force, to, ...permissions }: PushOptions
  ) {
    const options = yield* gitOptions("push", workspace, "credential")
    const one: GitSandbox.Step = {
      script: "push-direct.sh",
      args: [
        String(largestFile),
        wanted ?? "",
        to ?? "",
        force === true ? "yes" : "",
        GitSandbox.permitted(permissions),
        ...options
      ],
      command: "push",
      ref: wanted ?? "HEAD"
    }
    const done = yield* GitSandbox.attempt("push", workspace, one, wall)
    const branch = to ?? GitSandbox.value(done.stdout, "branch") ?? ""
    const commit = GitSandbox.value(done.stdout, "head") ?? ""
    if (done.exitCode === 0) return { branch, commit } satisfies Pushed
    return yield* GitError.fail(
      "push",
      isExitCode(done.exitCode)
        ? GitSandbox.reasonOf(workspace, one, done)
        : pushReason(workspace.repository, branch, done, "sandbox")
    )
  }, Effect.scoped)

  return (workspace: Workspace, options: PushOptions) =>
    workspace.mode === "credential" ? pushDirect(workspace, options) : pushRelay(workspace, options)
}
