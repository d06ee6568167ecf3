/**
 * Moves commits as git bundles between the host, which has the token, and a sandbox, which does not. Only commits that
 * the other side lacks are moved.
 */
import { GitError, Id } from "@remote-agent/domain"
import { Effect, FileSystem, Path } from "effect"
import { type HostGit, printing } from "../HostGit.ts"
import type { WorkTree } from "../Workspace.ts"
import { type Mirror, protocolOf } from "./mirrorCache.ts"
import { pushReason } from "./remoteFailure.ts"
import { sandboxFailed } from "./run.ts"

/** A ref to put into a bundle: its name in the sandbox and its commit. */
export interface Sent {
  readonly ref: string
  readonly commit: string
}

/** What to put into a bundle. */
interface Parcel {
  readonly refs: ReadonlyArray<Sent>
  /** Commits that the sandbox already has. */
  readonly have?: ReadonlyArray<string> | undefined
  /** The commits where the shallow history of the sandbox ends. */
  readonly shallow?: ReadonlyArray<string> | undefined
  /** The number of commits of history of the first ref. */
  readonly depth?: number | undefined
}

/** A bundle, and the commits where its shallow history ends. */
interface Packed {
  readonly bundle: Uint8Array
  readonly shallow: ReadonlyArray<string>
}

/** What to push. */
interface Push {
  /** The tip of the bundle, or a commit that the server has. */
  readonly commit: string
  /** The branch of the server. */
  readonly branch: string
  /** Replaces the branch if it is at this commit; if it does not exist, for an empty string. Default: never. */
  readonly replaces?: string | undefined
  /** A temporary repository that has the commit; a new one when absent. */
  readonly gitDir?: string | undefined
}

/** A unique path for a bundle in a sandbox. */
export const bundlePath = Effect.map(Id.nextToken, (token) => `.cache/remote-agent/${token}.bundle`)

const onDisk = <A, E, R>(operation: GitError.Operation, effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, () =>
    GitError.fail(operation, new GitError.CacheFailed({ path: "the temporary folder" }))
  )

/** Writes a bundle into a sandbox for `use`, which removes it when it succeeds. */
export const withBundle = <A>(
  operation: GitError.Operation,
  { sandbox }: WorkTree,
  bundle: Uint8Array,
  use: (path: string) => Effect.Effect<A, GitError.GitError>
) =>
  Effect.flatMap(bundlePath, (at) =>
    Effect.andThen(sandbox.files.write(at, bundle).pipe(sandboxFailed(operation)), use(at)).pipe(
      Effect.onExit((exit) =>
        exit._tag === "Success"
          ? Effect.void
          : sandbox.files.remove(at).pipe(
              Effect.timeoutOption("10 seconds"),
              Effect.catch((error) => Effect.logWarning("A bundle may be left in the sandbox", error))
            )
      )
    )
  )

/** Makes temporary repositories over the objects of a mirror. What arrives in one never reaches the mirror. */
export const makeExchange = Effect.gen(function* () {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  return Effect.fnUntraced(function* (operation: GitError.Operation, mirror: Mirror) {
    const folder = yield* onDisk(operation, fs.makeTempDirectoryScoped({ prefix: "remote-agent-git-" }))
    const gitDir = path.join(folder, "git")
    // The minimum that git accepts as a repository, without a process for `git init`.
    yield* onDisk(operation, fs.makeDirectory(path.join(gitDir, "refs"), { recursive: true }))
    yield* onDisk(operation, fs.writeFileString(path.join(gitDir, "HEAD"), "ref: refs/heads/none\n"))
    yield* onDisk(operation, fs.makeDirectory(path.join(gitDir, "objects", "info"), { recursive: true }))
    yield* onDisk(
      operation,
      fs.writeFileString(
        path.join(gitDir, "objects", "info", "alternates"),
        `${path.join(mirror.gitDir, "objects")}\n`
      )
    )
    return { gitDir, bundle: path.join(folder, "bundle"), shallow: path.join(gitDir, "shallow") }
  })
})

type Exchange = Effect.Success<typeof makeExchange>

const makePack = Effect.fnUntraced(function* (git: HostGit, exchange: Exchange, limitBytes: number) {
  const fs = yield* FileSystem.FileSystem
  const must = printing(git)

  const bounded = Effect.fnUntraced(function* (operation: GitError.Operation, file: string) {
    const { size } = yield* onDisk(operation, fs.stat(file))
    if (Number(size) > limitBytes)
      return yield* GitError.fail(operation, new GitError.TooLarge({ limitBytes }))
    return yield* onDisk(operation, fs.readFile(file))
  })

  /** Makes a bundle of what the sandbox lacks; none when it lacks nothing. */
  return Effect.fn("BundleRelay.pack")(function* (
    operation: GitError.Operation,
    mirror: Mirror,
    { depth, have = [], refs, shallow = [] }: Parcel
  ) {
    const place = yield* exchange(operation, mirror)
    const [first] = refs
    if (depth !== undefined && first !== undefined) {
      const { exitCode } = yield* git(operation, {
        gitDir: place.gitDir,
        protocols: ["file"],
        args: [
          "fetch",
          "--quiet",
          "--no-tags",
          "--no-write-fetch-head",
          `--depth=${depth}`,
          "--end-of-options",
          mirror.gitDir,
          `+${first.commit}:${first.ref}`
        ]
      })
      if (exitCode !== 0) {
        return yield* GitError.fail(
          operation,
          new GitError.CommandFailed({ command: "fetch", exitCode, where: "host" })
        )
      }
    } else {
      if (shallow.length > 0) {
        yield* onDisk(
          operation,
          fs.writeFileString(place.shallow, shallow.map((commit) => `${commit}\n`).join(""))
        )
      }
      const updates = refs.map(({ commit, ref }) => `create ${ref} ${commit}\n`).join("")
      yield* must(operation, place.gitDir, ["update-ref", "--stdin"], updates)
    }
    const without = have.map((commit) => `^${commit}`)
    const tips = refs.map(({ commit }) => commit)
    const lacking = yield* must(
      operation,
      place.gitDir,
      ["rev-list", "--max-count=1", "--stdin"],
      [...tips, ...without].map((line) => `${line}\n`).join("")
    )
    if (lacking === "") return undefined
    const names = refs.map(({ ref }) => ref)
    yield* must(
      operation,
      place.gitDir,
      ["bundle", "create", "--quiet", place.bundle, "--stdin"],
      [...names, ...without].map((line) => `${line}\n`).join("")
    )
    const ends = yield* onDisk(
      operation,
      Effect.catchReason(fs.readFileString(place.shallow), "PlatformError", "NotFound", () =>
        Effect.succeed("")
      )
    )
    return {
      bundle: yield* bounded(operation, place.bundle),
      shallow: ends.split("\n").filter((line) => line !== "")
    } satisfies Packed
  }, Effect.scoped)
})

const makePush = Effect.fnUntraced(function* (git: HostGit, exchange: Exchange) {
  const fs = yield* FileSystem.FileSystem

  /**
   * Unpacks a bundle and checks each object, which `git fetch` does not do for bundles. False when it builds on commits
   * that the server no longer has.
   */
  const open = Effect.fnUntraced(function* (
    operation: GitError.Operation,
    gitDir: string,
    file: string,
    bundle: Uint8Array
  ) {
    yield* onDisk(operation, fs.writeFile(file, bundle))
    const verified = yield* git(operation, { gitDir, args: ["bundle", "verify", "--quiet", file] })
    if (verified.exitCode !== 0) return false
    const objects = bundle.subarray(
      Buffer.from(bundle.buffer, bundle.byteOffset, bundle.length).indexOf("\n\n") + 2
    )
    const args = ["index-pack", "--strict", "--stdin", "--fix-thin"] as const
    const { exitCode } = yield* git(operation, { gitDir, args, stdin: objects })
    if (exitCode === 0) return true
    return yield* GitError.fail(
      operation,
      new GitError.CommandFailed({ command: "index-pack", exitCode, where: "host" })
    )
  })

  /**
   * Pushes the commits of a bundle. False when the bundle builds on commits that the server no longer has, so that a
   * bundle of all commits is needed.
   */
  return Effect.fn("BundleRelay.push")(function* (
    operation: GitError.Operation,
    mirror: Mirror,
    { branch, commit, gitDir, replaces }: Push,
    bundle: Uint8Array | undefined
  ) {
    const { credential, repository, url } = mirror.remote
    const place = gitDir === undefined ? yield* exchange(operation, mirror) : { gitDir, bundle: "" }
    if (bundle !== undefined && !(yield* open(operation, place.gitDir, place.bundle, bundle))) return false
    const known = yield* git(operation, {
      gitDir: place.gitDir,
      args: ["cat-file", "-e", `${commit}^{commit}`]
    })
    if (known.exitCode !== 0) return false
    const there = yield* mirror.branch(branch)
    if (there === commit) return true
    if (there !== undefined && replaces === undefined) {
      const ahead = yield* git(operation, {
        gitDir: place.gitDir,
        args: ["merge-base", "--is-ancestor", there, commit]
      })
      if (ahead.exitCode !== 0)
        return yield* GitError.fail(operation, new GitError.NonFastForward({ branch }))
    }
    const done = yield* git(operation, {
      gitDir: place.gitDir,
      credential,
      protocols: [protocolOf(url)],
      args: [
        "push",
        "--porcelain",
        "--no-verify",
        ...(replaces === undefined ? [] : [`--force-with-lease=refs/heads/${branch}:${replaces}`]),
        "--end-of-options",
        url,
        `${commit}:refs/heads/${branch}`
      ]
    })
    if (done.exitCode === 0) return true
    return yield* GitError.fail(operation, pushReason(repository, branch, done, "host"))
  }, Effect.scoped)
})

/** The two directions, over the mirrors of this machine. */
export const make = Effect.fnUntraced(function* (git: HostGit, limitBytes: number) {
  const exchange = yield* makeExchange
  return { pack: yield* makePack(git, exchange, limitBytes), push: yield* makePush(git, exchange) }
})

/** Moves bundles. */
export type BundleRelay = Effect.Success<ReturnType<typeof make>>
