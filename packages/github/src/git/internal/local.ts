/** What git does in the sandbox alone, without the server. Checks every name before it runs anything. */
import { GitError } from "@remote-agent/domain"
import { type Duration, Effect, type Result } from "effect"
import * as GitName from "../GitName.ts"
import type { CommitOptions, Workspace, WorkTree } from "../Workspace.ts"
import * as GitPorcelain from "./porcelain.ts"
import * as GitSandbox from "./run.ts"

/** Fails with `InvalidName` when a check of `GitName` refuses. */
export const checked = <A>(operation: GitError.Operation, result: Result.Result<A, GitError.InvalidName>) =>
  Effect.mapError(Effect.fromResult(result), (reason) => GitError.fail(operation, reason))

/** Checks the folder and the repository of a working tree. */
export const checkPlace = (operation: GitError.Operation, { dir, repository }: WorkTree) =>
  Effect.andThen(checked(operation, GitName.folder(dir)), checked(operation, GitName.repository(repository)))

const diffOptions = ["--no-ext-diff", "--no-textconv", "--no-color", "-M"]

export const make = (wall: Duration.Input) => {
  const step = (operation: GitError.Operation, workspace: Workspace, one: GitSandbox.Step) =>
    GitSandbox.run(operation, workspace, one, wall)

  const plain = (operation: GitError.Operation, workspace: Workspace, args: ReadonlyArray<string>) =>
    Effect.andThen(
      checkPlace(operation, workspace),
      step(operation, workspace, { script: "plain.sh", args, command: args[0] ?? "" })
    )

  const headAfter = (operation: GitError.Operation, workspace: Workspace, one: GitSandbox.Step) =>
    Effect.flatMap(step(operation, workspace, one), GitSandbox.headOf(operation))

  /** The commit of a ref. Default: HEAD. */
  const base = Effect.fnUntraced(function* (
    operation: GitError.Operation,
    workspace: Workspace,
    ref: string | undefined
  ) {
    if (ref === undefined) return "HEAD"
    yield* checked(operation, GitName.ref(ref))
    const one = { script: "resolve.sh", args: [ref], command: "rev-parse", ref } as const
    return (yield* step(operation, workspace, one)).trim()
  })

  const createBranch = Effect.fnUntraced(function* (workspace: Workspace, name: string, from?: string) {
    yield* checkPlace("createBranch", workspace)
    yield* checked("createBranch", GitName.ref(name))
    if (from !== undefined) yield* checked("createBranch", GitName.ref(from))
    return yield* headAfter("createBranch", workspace, {
      script: "create-branch.sh",
      args: [name, from ?? ""],
      command: "branch",
      branch: name,
      ref: from ?? "HEAD"
    })
  })

  const diff = Effect.fnUntraced(function* (workspace: Workspace, from?: string) {
    yield* checkPlace("diff", workspace)
    const commit = yield* base("diff", workspace, from)
    const compare = (...how: ReadonlyArray<string>) =>
      plain("diff", workspace, ["diff", ...how, ...diffOptions, commit, "--"])
    const files = yield* compare("--name-status", "-z")
    return { files: GitPorcelain.nameStatus(files), patch: yield* compare("--binary") }
  })

  const commit = Effect.fnUntraced(function* (
    workspace: Workspace,
    { allowEmpty, author, message, paths = [], ...permissions }: CommitOptions
  ) {
    yield* checkPlace("commit", workspace)
    yield* checked("commit", GitName.message(message))
    const { email, name } = yield* checked("commit", GitName.author(author))
    yield* Effect.forEach(paths, (path) => checked("commit", GitName.file(path)))
    return yield* headAfter("commit", workspace, {
      script: "commit.sh",
      args: [name, email, allowEmpty === true ? "yes" : "", GitSandbox.permitted(permissions), ...paths],
      stdin: message,
      command: "commit"
    })
  })

  const log = Effect.fnUntraced(function* (
    workspace: Workspace,
    { from, limit = 50 }: { readonly limit?: number; readonly from?: string } = {}
  ) {
    yield* checkPlace("log", workspace)
    const start = yield* base("log", workspace, from)
    const how = ["-z", "--no-show-signature", "--no-color", `--max-count=${limit}`]
    const args = ["log", ...how, GitPorcelain.logFormat, start, "--"]
    return GitPorcelain.log(yield* plain("log", workspace, args))
  })

  const restore = Effect.fnUntraced(function* (workspace: Workspace, to: string) {
    yield* checkPlace("restore", workspace)
    yield* checked("restore", GitName.commitId(to))
    return yield* headAfter("restore", workspace, {
      script: "restore.sh",
      args: [to],
      command: "reset",
      ref: to
    })
  })

  const status = (workspace: Workspace) =>
    Effect.map(
      plain("status", workspace, ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all"]),
      GitPorcelain.status
    )

  const currentCommit = (workspace: Workspace) =>
    Effect.map(plain("currentCommit", workspace, ["rev-parse", "--verify", "HEAD^{commit}"]), (id) =>
      id.trim()
    )

  return { createBranch, status, diff, commit, log, currentCommit, restore }
}
