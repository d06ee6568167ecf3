/** Commits a file on the host, in a temporary repository over a mirror. No sandbox takes part. */
import { GitError } from "@remote-agent/domain"
import { Effect } from "effect"
import { type HostGit, printing } from "./HostGit.ts"
import type { FileCommit, FileCommitted } from "./Workspace.ts"
import * as BundleRelay from "./internal/bundleRelay.ts"
import type { Dependencies, Remote } from "./internal/remote.ts"

const operation = "commitFile"

export const make = Effect.fnUntraced(function* (
  git: HostGit,
  { relay }: Dependencies,
  { mirrorOf }: Remote
) {
  const exchange = yield* BundleRelay.makeExchange
  const print = printing(git)

  return Effect.fnUntraced(function* ({
    author,
    base,
    branch,
    content,
    message,
    path,
    repository
  }: FileCommit) {
    const mirror = yield* mirrorOf(operation, repository)
    const { gitDir } = yield* exchange(operation, mirror)
    const run = (...args: readonly [string, ...ReadonlyArray<string>]) => print(operation, gitDir, args)
    const there = yield* mirror.branch(branch)
    const parent = there ?? (yield* mirror.resolve(base)).commit
    yield* run("read-tree", parent)
    const blob = (yield* print(operation, gitDir, ["hash-object", "-w", "--stdin"], content)).trim()
    yield* run("update-index", "--add", "--cacheinfo", `100644,${blob},${path}`)
    const tree = (yield* run("write-tree")).trim()
    const before = (yield* run("rev-parse", "--verify", `${parent}^{tree}`)).trim()
    if (tree === before && there !== undefined)
      return { branch, commit: there, changed: false } satisfies FileCommitted
    const { exitCode, stdout } = yield* git(operation, {
      gitDir,
      author,
      args: ["commit-tree", "-p", parent, "-F", "-", tree],
      stdin: message
    })
    if (exitCode !== 0) {
      return yield* GitError.fail(
        operation,
        new GitError.CommandFailed({ command: "commit-tree", exitCode, where: "host" })
      )
    }
    const commit = stdout.trim()
    // The server's branch must be where it was read, or still absent.
    yield* relay.push(operation, mirror, { commit, branch, replaces: there ?? "", gitDir }, undefined)
    return { branch, commit, changed: true } satisfies FileCommitted
  }, Effect.scoped)
})
