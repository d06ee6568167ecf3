/**
 * One bare mirror per repository on this machine, so that many agents of a repository fetch it once.
 *
 * A mirror holds only what the server has: commits from a sandbox go into a temporary repository beside it, so that no
 * sandbox can change what another one gets. Each use fetches from the server first, with the caller's credential, so the
 * mirror gives access to nothing that the server would refuse.
 */
import { GitError } from "@remote-agent/domain"
import { Effect, FileSystem, Path } from "effect"
import type { Credential, HostGit } from "../HostGit.ts"
import { printing } from "../HostGit.ts"
import * as MirrorLock from "./mirrorLock.ts"
import { remoteReason } from "./remoteFailure.ts"

/** Where mirrors are kept. */
export interface Options {
  /** Created, for its owner alone, when it does not exist. */
  readonly directory: string
  /** The most bytes that all mirrors may take. The least recently used ones are removed. Default: 10 GiB. */
  readonly limitBytes?: number | undefined
}

/** A repository on a server. */
export interface Remote {
  /** `owner/name`. */
  readonly repository: string
  /** The address without a credential. */
  readonly url: string
  readonly credential?: Credential | undefined
}

/** A ref of the server and its commit. */
export interface Resolved {
  readonly commit: string
  readonly kind: "branch" | "tag" | "commit"
  readonly name: string
}

/** A mirror in use. It is locked until the scope closes. */
export interface Mirror {
  readonly gitDir: string
  readonly remote: Remote
  /** Resolves a name as the server does. Default: its default branch. Fails with `RefNotFound`. */
  readonly resolve: (ref: string | undefined) => Effect.Effect<Resolved, GitError.GitError>
  /** The server's default branch; none when it has no branch. */
  readonly defaultBranch: Effect.Effect<string | undefined, GitError.GitError>
  /** The commit of a branch; none when there is no such branch. */
  readonly branch: (name: string) => Effect.Effect<string | undefined, GitError.GitError>
  /** All branches and tags, under the names that a clone has for them. */
  readonly refs: Effect.Effect<
    ReadonlyArray<{ readonly ref: string; readonly commit: string }>,
    GitError.GitError
  >
  /** The commits of a list that the mirror has. */
  readonly known: (commits: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, GitError.GitError>
}

/** Every fetch adds a pack of two or three files. Beyond this number they are combined into one. */
const mostPackFiles = 100

export const protocolOf = (url: string): "http" | "https" => (url.startsWith("https:") ? "https" : "http")

const fetchAll = Effect.fnUntraced(function* (
  git: HostGit,
  operation: GitError.Operation,
  gitDir: string,
  { credential, repository, url }: Remote
) {
  const { exitCode, stderr } = yield* git(operation, {
    gitDir,
    credential,
    protocols: [protocolOf(url)],
    args: [
      "fetch",
      "--quiet",
      "--prune",
      "--no-write-fetch-head",
      "--no-auto-maintenance",
      "--end-of-options",
      url,
      "+refs/heads/*:refs/heads/*",
      "+refs/tags/*:refs/tags/*"
    ]
  })
  if (exitCode === 0) return
  return yield* GitError.fail(
    operation,
    remoteReason(repository, stderr) ??
      new GitError.CommandFailed({ command: "fetch", exitCode, where: "host" })
  )
})

/** The server's default branch; none when it has no branch. */
const defaultBranch = Effect.fnUntraced(function* (
  git: HostGit,
  operation: GitError.Operation,
  { credential, repository, url }: Remote
) {
  const { exitCode, stderr, stdout } = yield* git(operation, {
    credential,
    protocols: [protocolOf(url)],
    args: ["ls-remote", "--symref", "--end-of-options", url, "HEAD"]
  })
  if (exitCode === 0) return /^ref: refs\/heads\/(.*)\tHEAD$/m.exec(stdout)?.[1]
  return yield* GitError.fail(
    operation,
    remoteReason(repository, stderr) ??
      new GitError.CommandFailed({ command: "ls-remote", exitCode, where: "host" })
  )
})

/** The questions to a mirror that is up to date. */
const mirrorAt = (git: HostGit, operation: GitError.Operation, gitDir: string, remote: Remote): Mirror => {
  const print = printing(git)

  const commitOf = (name: string) =>
    Effect.map(
      git(operation, {
        gitDir,
        args: ["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`]
      }),
      ({ exitCode, stdout }) => (exitCode === 0 ? stdout.trim() : undefined)
    )

  const refs = print(operation, gitDir, [
    "for-each-ref",
    "--format=%(objectname) %(refname)",
    "refs/heads",
    "refs/tags"
  ])

  return {
    gitDir,
    remote,
    resolve: Effect.fnUntraced(function* (ref) {
      const name = ref ?? (yield* defaultBranch(git, operation, remote)) ?? "HEAD"
      const candidates = [
        { kind: "branch", at: `refs/heads/${name}` },
        { kind: "tag", at: `refs/tags/${name}` },
        ...(/^[0-9a-f]{40,64}$/.test(name) ? [{ kind: "commit", at: name } as const] : [])
      ] as const
      for (const { at, kind } of candidates) {
        const commit = yield* commitOf(at)
        if (commit !== undefined) return { commit, kind, name }
      }
      return yield* GitError.fail(operation, new GitError.RefNotFound({ ref: name }))
    }),
    defaultBranch: defaultBranch(git, operation, remote),
    branch: (name) => commitOf(`refs/heads/${name}`),
    refs: Effect.map(refs, (output) =>
      output
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
          const [commit = "", name = ""] = line.split(" ")
          return { commit, ref: name.replace(/^refs\/heads\//, "refs/remotes/origin/") }
        })
    ),
    known: Effect.fnUntraced(function* (commits) {
      if (commits.length === 0) return []
      const asked = commits.map((commit) => `${commit}\n`).join("")
      const output = yield* print(operation, gitDir, ["cat-file", "--batch-check=%(objecttype)"], asked)
      const types = output.split("\n")
      return commits.filter((_, index) => types[index] === "commit")
    })
  }
}

/** Removes the least recently used mirrors, except the current one, until the rest fits. */
const makeEvict = Effect.fnUntraced(function* ({ directory, limitBytes = 10 * 1024 ** 3 }: Options) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]

  const sizeOf = Effect.fnUntraced(function* (gitDir: string) {
    const packs = path.join(gitDir, "objects", "pack")
    const names = yield* Effect.orElseSucceed(fs.readDirectory(packs), (): Array<string> => [])
    const sizes = yield* Effect.forEach(names, (name) =>
      Effect.match(fs.stat(path.join(packs, name)), {
        onFailure: () => 0,
        onSuccess: ({ size }) => Number(size)
      })
    )
    return sizes.reduce((sum, size) => sum + size, 0)
  })

  return Effect.fnUntraced(function* (current: string) {
    const folders = (yield* fs.readDirectory(directory)).map((name) => path.join(directory, name))
    const mirrors = yield* Effect.forEach(folders, (folder) =>
      Effect.gen(function* () {
        const used = yield* Effect.match(fs.stat(path.join(folder, "used")), {
          onFailure: () => 0,
          onSuccess: ({ mtime }) => (mtime._tag === "Some" ? mtime.value.getTime() : 0)
        })
        return { folder, used, size: yield* sizeOf(path.join(folder, "git")) }
      })
    )
    let total = mirrors.reduce((sum, { size }) => sum + size, 0)
    for (const { folder, size } of mirrors.toSorted((a, b) => a.used - b.used)) {
      if (total <= limitBytes) return
      if (folder === current) continue
      const lock = yield* Effect.sync(() => MirrorLock.tryLock(path.join(folder, "lock")))
      if (lock === undefined) continue
      yield* Effect.ensuring(
        fs.remove(path.join(folder, "git"), { recursive: true, force: true }),
        Effect.sync(() => lock.close())
      )
      total -= size
    }
  })
})

/** Keeps mirrors in a folder. */
export const make = Effect.fnUntraced(function* (git: HostGit, options: Options) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const { directory } = options
  const [lock, evict] = [yield* MirrorLock.make(directory), yield* makeEvict(options)]

  /** Removes what a killed git left behind. The lock excludes a git that is still running. */
  const removeLeftovers = Effect.fnUntraced(function* (gitDir: string) {
    const left = (yield* fs.readDirectory(gitDir, { recursive: true })).filter((name) =>
      /(?:\.lock|(?:^|\/)tmp_[^/]*)$/.test(name)
    )
    yield* Effect.forEach(left, (name) =>
      fs.remove(path.join(gitDir, name), { recursive: true, force: true })
    )
  })

  const init = (operation: GitError.Operation, gitDir: string) => {
    const args = ["init", "--quiet", "--bare", "--template=", "--initial-branch=none"] as const
    return git(operation, { args: [...args, "--end-of-options", gitDir] })
  }

  /** Brings a mirror up to date and keeps it locked while the scope is open. */
  const use = Effect.fnUntraced(function* (operation: GitError.Operation, remote: Remote) {
    const failed = () => GitError.fail(operation, new GitError.CacheFailed({ path: directory }))
    const url = new URL(remote.url)
    const folder = path.join(directory, `${url.host}${url.pathname}`.toLowerCase().replaceAll(/[:/]/g, "+"))
    const gitDir = path.join(folder, "git")
    yield* lock(operation, folder)
    if (yield* Effect.mapError(fs.exists(path.join(gitDir, "HEAD")), failed)) {
      yield* Effect.mapError(removeLeftovers(gitDir), failed)
    } else {
      yield* Effect.mapError(fs.remove(gitDir, { recursive: true, force: true }), failed)
      const { exitCode } = yield* init(operation, gitDir)
      if (exitCode !== 0) return yield* failed()
    }
    yield* fetchAll(git, operation, gitDir, remote)
    yield* Effect.mapError(fs.writeFileString(path.join(folder, "used"), ""), failed)
    const packs = yield* Effect.mapError(fs.readDirectory(path.join(gitDir, "objects", "pack")), failed)
    if (packs.length > mostPackFiles) yield* printing(git)(operation, gitDir, ["gc", "--quiet"])
    yield* Effect.mapError(evict(folder), failed)
    return mirrorAt(git, operation, gitDir, remote)
  })

  return { use }
})

/** Mirrors of repositories in a folder. */
export type MirrorCache = Effect.Success<ReturnType<typeof make>>
