/**
 * One bare copy per repository on this machine, so that many agents of one repository fetch once.
 *
 * A copy holds what the server has and nothing else: what comes out of a sandbox goes into a folder of its own beside
 * it, so no sandbox can change what another one gets. Every use asks the server first, with the credential of who
 * asks, so the copy gives nobody more than the server would.
 */
import { GitError } from "@remote-agent/domain"
import { Effect, FileSystem, Path, Schedule, Semaphore } from "effect"
import { DatabaseSync } from "node:sqlite"
import type { Credential, HostGit } from "../HostGit.ts"
import { remoteReason } from "../HostGit.ts"

/** Where copies are kept. */
export interface Options {
  /** Made, for its owner alone, when it is not there. */
  readonly directory: string
  /** Least recently used copies go when all take more bytes than this. 10 GiB when absent. */
  readonly limitBytes?: number | undefined
}

/** A repository on a server. */
export interface Remote {
  /** `owner/name`. */
  readonly repository: string
  /** Without any credential in it. */
  readonly url: string
  readonly credential?: Credential | undefined
}

/** A name of the server, looked up. */
export interface Resolved {
  readonly commit: string
  readonly kind: "branch" | "tag" | "commit"
  readonly name: string
}

/** A copy in use: nobody else changes or removes it until the scope closes. */
export interface Copy {
  readonly gitDir: string
  readonly remote: Remote
  /** What the name means on the server; its default branch when absent. Fails with `RefNotFound`. */
  readonly resolve: (ref: string | undefined) => Effect.Effect<Resolved, GitError.GitError>
  /** The commit of a branch, or none. */
  readonly branch: (name: string) => Effect.Effect<string | undefined, GitError.GitError>
  /** Every branch and tag, by the names that a clone has for them. */
  readonly refs: Effect.Effect<
    ReadonlyArray<{ readonly ref: string; readonly commit: string }>,
    GitError.GitError
  >
  /** Which of these commits it has. */
  readonly known: (commits: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, GitError.GitError>
}

/** SQLite takes a lock that the kernel gives back when a process dies, which Node.js has no call for itself. */
const tryLock = (file: string): DatabaseSync | undefined => {
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    database.exec("BEGIN EXCLUSIVE")
    return database
  } catch (cause) {
    database.close()
    // SQLITE_BUSY
    if (typeof cause === "object" && cause !== null && "errcode" in cause && cause.errcode === 5)
      return undefined
    throw cause
  }
}

/** Every fetch adds a pack of two or three files; beyond this they are made into one. */
const mostPackFiles = 100

const protocolOf = (url: string): "http" | "https" => (url.startsWith("https:") ? "https" : "http")

/** Keeps copies of repositories in a folder. */
export const make = Effect.fnUntraced(function* (git: HostGit, options: Options) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const { directory, limitBytes = 10 * 1024 ** 3 } = options
  const turns = new Map<string, Semaphore.Semaphore>()

  const broken = (operation: GitError.Operation) =>
    Effect.mapError(() => GitError.fail(operation, new GitError.CacheFailed({ path: directory })))

  /** Alone with a copy, among the fibers of this process and among processes. */
  const locked = Effect.fnUntraced(function* (operation: GitError.Operation, folder: string) {
    const turn = turns.get(folder) ?? Semaphore.makeUnsafe(1)
    turns.set(folder, turn)
    yield* turn.takeScoped(1)
    yield* broken(operation)(fs.makeDirectory(folder, { recursive: true, mode: 0o700 }))
    const attempt = Effect.try({
      try: () => tryLock(path.join(folder, "lock")),
      catch: () => GitError.fail(operation, new GitError.CacheFailed({ path: directory }))
    }).pipe(
      Effect.filterOrFail(
        (lock) => lock !== undefined,
        () => "held" as const
      )
    )
    yield* Effect.acquireRelease(attempt, (lock) => Effect.sync(() => lock.close())).pipe(
      Effect.retry({ while: (error) => error === "held", schedule: Schedule.spaced("20 millis") }),
      Effect.catchIf(
        (error) => error === "held",
        () => Effect.die("the schedule has no end")
      )
    )
  })

  const run = (
    operation: GitError.Operation,
    gitDir: string,
    args: readonly [string, ...ReadonlyArray<string>],
    stdin?: string
  ) => git(operation, { args, gitDir, stdin })

  /** Fails with what the exit code says when it is not 0. */
  const must = Effect.fnUntraced(function* (
    operation: GitError.Operation,
    gitDir: string,
    args: readonly [string, ...ReadonlyArray<string>],
    stdin?: string
  ) {
    const done = yield* run(operation, gitDir, args, stdin)
    if (done.exitCode === 0) return done.stdout
    return yield* GitError.fail(
      operation,
      new GitError.CommandFailed({ command: args[0], exitCode: done.exitCode, where: "host" })
    )
  })

  /** Takes away what a git that was killed has left: nobody else writes here while we hold the lock. */
  const tidy = Effect.fnUntraced(function* (gitDir: string) {
    const left = (yield* fs.readDirectory(gitDir, { recursive: true })).filter((name) =>
      /(?:\.lock|(?:^|\/)tmp_[^/]*)$/.test(name)
    )
    yield* Effect.forEach(left, (name) =>
      fs.remove(path.join(gitDir, name), { recursive: true, force: true })
    )
  })

  const fetch = Effect.fnUntraced(function* (operation: GitError.Operation, gitDir: string, remote: Remote) {
    const { credential, repository, url } = remote
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

  /** The default branch as the server says. */
  const defaultBranch = Effect.fnUntraced(function* (operation: GitError.Operation, remote: Remote) {
    const { credential, repository, url } = remote
    const { exitCode, stderr, stdout } = yield* git(operation, {
      credential,
      protocols: [protocolOf(url)],
      args: ["ls-remote", "--symref", "--end-of-options", url, "HEAD"]
    })
    if (exitCode !== 0) {
      return yield* GitError.fail(
        operation,
        remoteReason(repository, stderr) ??
          new GitError.CommandFailed({ command: "ls-remote", exitCode, where: "host" })
      )
    }
    return /^ref: refs\/heads\/(.*)\tHEAD$/m.exec(stdout)?.[1]
  })

  const commitOf = (operation: GitError.Operation, gitDir: string, name: string) =>
    Effect.map(
      run(operation, gitDir, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`]),
      ({ exitCode, stdout }) => (exitCode === 0 ? stdout.trim() : undefined)
    )

  const resolve = Effect.fnUntraced(function* (
    operation: GitError.Operation,
    gitDir: string,
    remote: Remote,
    ref: string | undefined
  ) {
    const name = ref ?? (yield* defaultBranch(operation, remote)) ?? "HEAD"
    const candidates = [
      { kind: "branch", at: `refs/heads/${name}` },
      { kind: "tag", at: `refs/tags/${name}` },
      ...(/^[0-9a-f]{40,64}$/.test(name) ? [{ kind: "commit", at: name } as const] : [])
    ] as const
    for (const { at, kind } of candidates) {
      const commit = yield* commitOf(operation, gitDir, at)
      if (commit !== undefined) return { commit, kind, name } satisfies Resolved
    }
    return yield* GitError.fail(operation, new GitError.RefNotFound({ ref: name }))
  })

  const known = Effect.fnUntraced(function* (
    operation: GitError.Operation,
    gitDir: string,
    commits: ReadonlyArray<string>
  ) {
    if (commits.length === 0) return []
    const asked = commits.map((commit) => `${commit}\n`).join("")
    const output = yield* must(operation, gitDir, ["cat-file", "--batch-check=%(objecttype)"], asked)
    const types = output.split("\n")
    return commits.filter((_, index) => types[index] === "commit")
  })

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

  /** Removes the copies that were not used for longest, except the one in use, until the rest fits. */
  const evict = Effect.fnUntraced(function* (current: string) {
    const folders = (yield* fs.readDirectory(directory)).map((name) => path.join(directory, name))
    const copies = yield* Effect.forEach(folders, (folder) =>
      Effect.gen(function* () {
        const used = yield* Effect.match(fs.stat(path.join(folder, "used")), {
          onFailure: () => 0,
          onSuccess: ({ mtime }) => (mtime._tag === "Some" ? mtime.value.getTime() : 0)
        })
        return { folder, used, size: yield* sizeOf(path.join(folder, "git")) }
      })
    )
    let total = copies.reduce((sum, { size }) => sum + size, 0)
    for (const { folder, size } of copies.toSorted((a, b) => a.used - b.used)) {
      if (total <= limitBytes) return
      if (folder === current) continue
      const lock = yield* Effect.sync(() => tryLock(path.join(folder, "lock")))
      if (lock === undefined) continue
      yield* Effect.ensuring(
        fs.remove(path.join(folder, "git"), { recursive: true, force: true }),
        Effect.sync(() => lock.close())
      )
      total -= size
    }
  })

  /** A copy that is as the server is now, for as long as the scope is open. */
  const use = Effect.fnUntraced(function* (operation: GitError.Operation, remote: Remote) {
    const url = new URL(remote.url)
    const folder = path.join(directory, `${url.host}${url.pathname}`.toLowerCase().replaceAll(/[:/]/g, "+"))
    const gitDir = path.join(folder, "git")
    yield* locked(operation, folder)
    const there = yield* broken(operation)(fs.exists(path.join(gitDir, "HEAD")))
    if (there) yield* broken(operation)(tidy(gitDir))
    else {
      yield* broken(operation)(fs.remove(gitDir, { recursive: true, force: true }))
      const { exitCode } = yield* git(operation, {
        args: [
          "init",
          "--quiet",
          "--bare",
          "--template=",
          "--initial-branch=none",
          "--end-of-options",
          gitDir
        ]
      })
      if (exitCode !== 0)
        return yield* GitError.fail(operation, new GitError.CacheFailed({ path: directory }))
    }
    yield* fetch(operation, gitDir, remote)
    yield* broken(operation)(fs.writeFileString(path.join(folder, "used"), ""))
    const packs = yield* broken(operation)(fs.readDirectory(path.join(gitDir, "objects", "pack")))
    if (packs.length > mostPackFiles) yield* must(operation, gitDir, ["gc", "--quiet"])
    yield* broken(operation)(evict(folder))
    return {
      gitDir,
      remote,
      resolve: (ref) => resolve(operation, gitDir, remote, ref),
      branch: (name) => commitOf(operation, gitDir, `refs/heads/${name}`),
      refs: Effect.map(
        must(operation, gitDir, [
          "for-each-ref",
          "--format=%(objectname) %(refname)",
          "refs/heads",
          "refs/tags"
        ]),
        (output) =>
          output
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => {
              const [commit = "", name = ""] = line.split(" ")
              return { commit, ref: name.replace(/^refs\/heads\//, "refs/remotes/origin/") }
            })
      ),
      known: (commits) => known(operation, gitDir, commits)
    } satisfies Copy
  })

  return { use, must, run }
})

/** Copies of repositories in a folder. */
export type MirrorCache = Effect.Success<ReturnType<typeof make>>
