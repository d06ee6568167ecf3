/**
 * Moves commits between the host, which has the token, and a sandbox, which has not: as git bundles through the files
 * API. What goes either way is only what the other side lacks.
 */
import { GitError, Id } from "@remote-agent/domain"
import { Effect, FileSystem, Path } from "effect"
import type { Copy, MirrorCache } from "./mirrorCache.ts"
import * as GitPorcelain from "./porcelain.ts"
import type { WorkTree } from "./run.ts"
import { sandboxFailed } from "./run.ts"
import { type HostGit, remoteReason } from "../HostGit.ts"

/** A ref that goes into a bundle: its name in the sandbox and its commit. */
export interface Sent {
  readonly ref: string
  readonly commit: string
}

/** What to send. */
export interface Parcel {
  readonly refs: ReadonlyArray<Sent>
  /** Commits that the sandbox has. */
  readonly have?: ReadonlyArray<string> | undefined
  /** Where the history of the sandbox ends. */
  readonly shallow?: ReadonlyArray<string> | undefined
  /** Cuts the history of the first ref to so many commits. */
  readonly depth?: number | undefined
}

/** A bundle, and where the history in it ends. */
interface Packed {
  readonly bundle: Uint8Array
  readonly shallow: ReadonlyArray<string>
}

/** How a push is to be made. */
export interface Push {
  /** The commit to push: the tip of the bundle, or one that the server has somewhere. */
  readonly commit: string
  /** The branch of the server. */
  readonly branch: string
  /** Replaces the branch when it is at this commit (or does not exist, for an empty one). Absent: never. */
  readonly replaces?: string | undefined
}

/** A name for a bundle in a sandbox that nobody else uses. */
export const bundlePath = Effect.map(Id.nextToken, (token) => `.cache/remote-agent/${token}.bundle`)

const refusal = (
  branch: string,
  result: GitPorcelain.PushResult | undefined,
  stderr: string
): GitError.Reason | undefined => {
  if (result?.flag !== "!") return undefined
  if (!result.summary.startsWith("[remote rejected]")) return new GitError.NonFastForward({ branch })
  // The codes of GitHub are the same in every language: GH006 a protected branch, GH013 a rule, GH001 a large file.
  if (
    /protected branch hook declined|repository rule violations/.test(result.summary) ||
    /\bGH0(?:06|13)\b/.test(stderr)
  ) {
    return new GitError.ProtectedBranch({ branch })
  }
  // Somebody else moved the branch between our look at it and our push.
  if (/cannot lock ref|failed to update ref|fetch first/.test(result.summary)) {
    return new GitError.NonFastForward({ branch })
  }
  return new GitError.PushRefused({ branch })
}

/** Why a push failed, from what `git push --porcelain` printed. */
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

const onDisk = <A, E, R>(operation: GitError.Operation, effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, () =>
    GitError.fail(operation, new GitError.CacheFailed({ path: "the temporary folder" }))
  )

/** Puts a bundle into a sandbox for the time that `use` takes it. `use` removes it when it succeeds. */
export const sending = <A>(
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

/** The two directions, over the copies of a cache. */
export const make = Effect.fnUntraced(function* (git: HostGit, cache: MirrorCache, limitBytes: number) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]

  /** A repository of its own over the objects of a copy: what comes in here does not get there. */
  const exchange = Effect.fnUntraced(function* (operation: GitError.Operation, copy: Copy) {
    const folder = yield* onDisk(operation, fs.makeTempDirectoryScoped({ prefix: "remote-agent-git-" }))
    const gitDir = path.join(folder, "git")
    // This much is a repository to git, and a process less than `git init`.
    yield* onDisk(operation, fs.makeDirectory(path.join(gitDir, "refs"), { recursive: true }))
    yield* onDisk(operation, fs.writeFileString(path.join(gitDir, "HEAD"), "ref: refs/heads/none\n"))
    yield* onDisk(operation, fs.makeDirectory(path.join(gitDir, "objects", "info"), { recursive: true }))
    yield* onDisk(
      operation,
      fs.writeFileString(
        path.join(gitDir, "objects", "info", "alternates"),
        `${path.join(copy.gitDir, "objects")}\n`
      )
    )
    return { gitDir, bundle: path.join(folder, "bundle"), shallow: path.join(gitDir, "shallow") }
  })

  const bounded = Effect.fnUntraced(function* (operation: GitError.Operation, file: string) {
    const { size } = yield* onDisk(operation, fs.stat(file))
    if (Number(size) > limitBytes)
      return yield* GitError.fail(operation, new GitError.TooLarge({ limitBytes }))
    return yield* onDisk(operation, fs.readFile(file))
  })

  /** A bundle of what the sandbox lacks; none when it lacks nothing. */
  const pack = Effect.fn("BundleRelay.pack")(function* (
    operation: GitError.Operation,
    copy: Copy,
    { depth, have = [], refs, shallow = [] }: Parcel
  ) {
    const place = yield* exchange(operation, copy)
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
          copy.gitDir,
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
      yield* cache.must(operation, place.gitDir, ["update-ref", "--stdin"], updates)
    }
    const without = have.map((commit) => `^${commit}`)
    const tips = refs.map(({ commit }) => commit)
    const lacking = yield* cache.must(
      operation,
      place.gitDir,
      ["rev-list", "--max-count=1", "--stdin"],
      [...tips, ...without].map((line) => `${line}\n`).join("")
    )
    if (lacking === "") return undefined
    const names = refs.map(({ ref }) => ref)
    yield* cache.must(
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

  /**
   * Takes a bundle in, each object checked, which `git fetch` leaves out for bundles. False when it builds on commits
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
   * Pushes what came out of a sandbox. False when the bundle builds on commits that the server no longer has: then
   * all of them are needed.
   */
  const push = Effect.fn("BundleRelay.push")(function* (
    operation: GitError.Operation,
    copy: Copy,
    { branch, commit, replaces }: Push,
    bundle: Uint8Array | undefined
  ) {
    const { credential, repository, url } = copy.remote
    const place = yield* exchange(operation, copy)
    if (bundle !== undefined && !(yield* open(operation, place.gitDir, place.bundle, bundle))) return false
    const known = yield* cache.run(operation, place.gitDir, ["cat-file", "-e", `${commit}^{commit}`])
    if (known.exitCode !== 0) return false
    const there = yield* copy.branch(branch)
    if (there === commit) return true
    if (there !== undefined && replaces === undefined) {
      const ahead = yield* cache.run(operation, place.gitDir, ["merge-base", "--is-ancestor", there, commit])
      if (ahead.exitCode !== 0)
        return yield* GitError.fail(operation, new GitError.NonFastForward({ branch }))
    }
    const done = yield* git(operation, {
      gitDir: place.gitDir,
      credential,
      protocols: [url.startsWith("https:") ? "https" : "http"],
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

  return { pack, push }
})
