import { RemoteAgentConfig, GitError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import {
  Context,
  Duration,
  Effect,
  FileSystem,
  Layer,
  Path,
  Redacted,
  Result,
  type Scope,
  Option
} from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { GitHub } from "../api/GitHub.ts"
import * as MirrorCache from "./internal/mirrorCache.ts"
import * as GitCredential from "./GitCredential.ts"
import * as GitName from "./GitName.ts"
import * as GitPorcelain from "./internal/porcelain.ts"
import * as GitSandbox from "./internal/run.ts"
import * as GitScripts from "./internal/scripts.ts"
import * as GitTransfer from "./internal/transfer.ts"
import * as HostGit from "./HostGit.ts"
import * as BundleRelay from "./internal/bundleRelay.ts"

/** How `GitWorkspace` works. */
export interface Options {
  /** Where the host keeps a copy of each repository. */
  readonly cache: MirrorCache.Options
  /** The server. `https://github.com` when absent. Plain `http:` is for tests: the token would travel unencrypted. */
  readonly baseUrl?: string | undefined
  /** The token for a repository, asked for anew each time; none for what is public. */
  readonly token?:
    | ((repository: string) => Effect.Effect<Redacted.Redacted | undefined, GitError.GitError>)
    | undefined
  readonly host?: HostGit.Options | undefined
  /** Whether git on this machine is looked for when it is first needed, rather than at the start. */
  readonly lazy?: boolean | undefined
  /** What a server takes as the largest file; GitHub's 100 MiB when absent. */
  readonly largestFile?: number | undefined
  /** The most bytes that may go to or from a sandbox at once, as they are held in memory. 1 GiB when absent. */
  readonly largestTransfer?: number | undefined
  /** How long a step in a sandbox may take. 10 minutes when absent. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * How a working tree gets at its server.
 *
 * - `relay`: the host fetches and pushes, and moves the commits. The token never enters the sandbox.
 * - `direct`: git in the sandbox fetches without any credential; pushing goes by relay. For public repositories.
 * - `credential`: git in the sandbox fetches and pushes with a credential that it is handed for each time.
 */
export type Mode = "relay" | "direct" | "credential"

/** A working tree in a sandbox. Plain data: it can be made anew from what is written down of it. */
export interface Workspace extends GitSandbox.WorkTree {
  readonly mode: Mode
}

/** What is to be cloned, and where to. */
export interface CloneOptions {
  /** `owner/name`. */
  readonly repository: string
  /** A branch, a tag or a full commit id; the default branch when absent. */
  readonly ref?: string | undefined
  readonly dir: string
  /** How many commits of history; all when absent. */
  readonly depth?: number | undefined
  /** `relay` when there is a token for the repository, else `direct`. */
  readonly mode?: Mode | undefined
  readonly submodules?: Workspace["submodules"]
  readonly lfs?: Workspace["lfs"]
  readonly hooks?: boolean | undefined
}

/** Where a working tree is. `branch` is absent when none is checked out. */
export interface Head {
  readonly branch: string | undefined
  readonly commit: string
}

/** How to pull. */
export interface PullOptions {
  /**
   * What to do when the branch has commits that the server's has not: `fail` (when absent), `merge` them, or `reset`
   * to the server's, which throws away those commits and every change.
   */
  readonly onDiverged?: "fail" | "merge" | "reset" | undefined
  /** Who merges. */
  readonly author?: GitName.Author | undefined
}

/** What a pull did. */
export interface Pulled extends Head {
  readonly before: string
}

/** What is to be committed. */
export interface CommitOptions {
  /** Kept to the byte. */
  readonly message: string
  readonly author: GitName.Author
  /** Only these files; every change when absent. */
  readonly paths?: ReadonlyArray<string> | undefined
  readonly allowEmpty?: boolean | undefined
}

/** What is to be pushed. */
export interface PushOptions {
  /** The local branch; what is checked out when absent. */
  readonly branch?: string | undefined
  /** Its name on the server; the same when absent. */
  readonly to?: string | undefined
  /** Replaces the server's branch, provided that it still is where the working tree last saw it. */
  readonly force?: boolean | undefined
}

/** What was pushed. */
export interface Pushed {
  readonly branch: string
  readonly commit: string
}

/** Files that differ, and how. */
export interface Diff {
  readonly files: ReadonlyArray<GitPorcelain.ChangedFile>
  readonly patch: string
}

/**
 * git in sandboxes.
 *
 * Names, messages and paths arrive exactly as they are given, or are refused with `InvalidName`. Every method fails
 * with `SandboxFailed` when the sandbox does, with `NotARepository` where nothing was cloned, and leaves the working
 * tree as it was when it fails. Those that ask the server fail with `AuthenticationFailed`, `PermissionDenied`,
 * `RepositoryNotFound` or `Unreachable`.
 */
export class GitWorkspace extends Context.Service<
  GitWorkspace,
  {
    /** The address of the server, such as `https://github.com`. */
    readonly server: string
    /** Fails with `FolderNotEmpty`, `RefNotFound`, `SubmodulesFound` or `LfsFound`. */
    readonly clone: (
      sandbox: Sandbox.Sandbox,
      options: CloneOptions
    ) => Effect.Effect<Workspace & Head, GitError.GitError>
    /**
     * Brings the checked out branch to where the server's is. Fails with `DetachedHead`, `NonFastForward`, `Conflict`
     * (also with local changes) or `RefNotFound`, when the branch is gone.
     */
    readonly pull: (workspace: Workspace, options?: PullOptions) => Effect.Effect<Pulled, GitError.GitError>
    /** A branch, tag or commit, fetched when it is not there. Fails with `RefNotFound` or `Conflict`. */
    readonly checkout: (workspace: Workspace, ref: string) => Effect.Effect<Head, GitError.GitError>
    /** Makes a branch, from where we are when `from` is absent, and checks it out. Fails with `BranchExists`. */
    readonly createBranch: (
      workspace: Workspace,
      name: string,
      from?: string
    ) => Effect.Effect<Head, GitError.GitError>
    readonly status: (workspace: Workspace) => Effect.Effect<GitPorcelain.Status, GitError.GitError>
    /** What differs from a commit (the last one when absent); without the files that git does not know. */
    readonly diff: (workspace: Workspace, from?: string) => Effect.Effect<Diff, GitError.GitError>
    /** Fails with `NothingToCommit`. */
    readonly commit: (workspace: Workspace, options: CommitOptions) => Effect.Effect<Head, GitError.GitError>
    /**
     * Fails with `NonFastForward`, `ProtectedBranch`, `PushRefused`, `FileTooLarge`, `DetachedHead` or `RefNotFound`.
     * What the server has already is a success.
     */
    readonly push: (workspace: Workspace, options?: PushOptions) => Effect.Effect<Pushed, GitError.GitError>
    /** The newest commits first, 50 when there is no limit. */
    readonly log: (
      workspace: Workspace,
      options?: { readonly limit?: number; readonly from?: string }
    ) => Effect.Effect<ReadonlyArray<GitPorcelain.Commit>, GitError.GitError>
    readonly currentCommit: (workspace: Workspace) => Effect.Effect<string, GitError.GitError>
    /** Puts branch and files back to a commit, for a roll-back. Files that git does not know stay. */
    readonly restore: (workspace: Workspace, commit: string) => Effect.Effect<Head, GitError.GitError>
    /**
     * Lets a program in the sandbox reach the server itself, once, until the scope closes or the time is up, 5
     * minutes when absent. Fails with `AuthenticationFailed` when there is no token.
     */
    readonly credential: (
      workspace: Workspace,
      ttl?: Duration.Input
    ) => Effect.Effect<void, GitError.GitError, Scope.Scope>
  }
>()("@remote-agent/github/GitWorkspace") {}

const valid = <A>(operation: GitError.Operation, result: Result.Result<A, GitError.InvalidName>) =>
  Effect.mapError(Effect.fromResult(result), (reason) => GitError.fail(operation, reason))

const place = (operation: GitError.Operation, { dir, repository }: GitSandbox.WorkTree) =>
  Effect.andThen(valid(operation, GitName.folder(dir)), valid(operation, GitName.repository(repository)))

const checkVersion = Effect.fnUntraced(function* (git: HostGit.HostGit) {
  const { stdout: version } = yield* git("start", { args: ["version"] })
  if (HostGit.isNewEnough(version)) return
  return yield* GitError.fail(
    "start",
    new GitError.GitTooOld({ where: "host", version: version.trim(), needed: HostGit.needed })
  )
})

/**
 * Makes the service. Fails with `GitMissing` or `GitTooOld` when this machine's git cannot be used; with `lazy`,
 * whatever first needs it fails so.
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const unchecked = yield* HostGit.make(options.host)
  const checked = yield* Effect.cached(checkVersion(unchecked))
  if (options.lazy !== true) yield* checked
  const git: HostGit.HostGit = (operation, command) => Effect.andThen(checked, unchecked(operation, command))
  const wall = options.timeout ?? "10 minutes"
  const cache = yield* MirrorCache.make(git, options.cache)
  const relay = yield* BundleRelay.make(git, cache, options.largestTransfer ?? 1024 ** 3)
  const transfer = GitTransfer.make({ ...options, cache, relay, wall })

  const step = (operation: GitError.Operation, workspace: Workspace, one: GitSandbox.Step) =>
    GitSandbox.run(operation, workspace, one, wall)

  /** Runs one git command of a sandbox and reads what it prints. */
  const plain = (
    operation: GitError.Operation,
    workspace: Workspace,
    args: ReadonlyArray<string>,
    ref = ""
  ) =>
    Effect.andThen(
      place(operation, workspace),
      step(operation, workspace, { script: GitScripts.plain, args, command: args[0] ?? "", ref })
    )

  const start = (operation: GitError.Operation, workspace: Workspace, from: string | undefined) =>
    from === undefined
      ? Effect.succeed("HEAD")
      : Effect.andThen(
          valid(operation, GitName.ref(from)),
          Effect.map(
            step(operation, workspace, {
              script: GitScripts.find,
              args: [from],
              command: "rev-parse",
              ref: from
            }),
            (stdout) => stdout.trim()
          )
        )

  return GitWorkspace.of({
    server: (options.baseUrl ?? "https://github.com").replace(/\/+$/, ""),
    clone: Effect.fn("GitWorkspace.clone")(function* (sandbox, clone) {
      yield* place("clone", { ...clone, sandbox })
      if (clone.ref !== undefined) yield* valid("clone", GitName.ref(clone.ref))
      return yield* transfer.clone(sandbox, clone)
    }),
    pull: Effect.fn("GitWorkspace.pull")(function* (workspace, pull = {}) {
      yield* place("pull", workspace)
      if (pull.author !== undefined) yield* valid("pull", GitName.author(pull.author))
      return yield* transfer.pull(workspace, pull)
    }),
    checkout: Effect.fn("GitWorkspace.checkout")(function* (workspace, ref) {
      yield* place("checkout", workspace)
      yield* valid("checkout", GitName.ref(ref))
      return yield* transfer.checkout(workspace, ref)
    }),
    createBranch: Effect.fn("GitWorkspace.createBranch")(function* (workspace, name, from) {
      yield* place("createBranch", workspace)
      yield* valid("createBranch", GitName.ref(name))
      if (from !== undefined) yield* valid("createBranch", GitName.ref(from))
      return yield* Effect.flatMap(
        step("createBranch", workspace, {
          script: GitScripts.createBranch,
          args: [name, from ?? ""],
          command: "branch",
          branch: name,
          ref: from ?? "HEAD"
        }),
        GitTransfer.headOf("createBranch")
      )
    }),
    status: Effect.fn("GitWorkspace.status")(function* (workspace) {
      const args = ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all"]
      return GitPorcelain.status(yield* plain("status", workspace, args))
    }),
    diff: Effect.fn("GitWorkspace.diff")(function* (workspace, from) {
      yield* place("diff", workspace)
      const base = yield* start("diff", workspace, from)
      const how = ["--no-ext-diff", "--no-textconv", "--no-color", "-M"]
      const files = yield* plain("diff", workspace, ["diff", "--name-status", "-z", ...how, base, "--"])
      const patch = yield* plain("diff", workspace, ["diff", "--binary", ...how, base, "--"])
      return { files: GitPorcelain.nameStatus(files), patch }
    }),
    commit: Effect.fn("GitWorkspace.commit")(function* (
      workspace,
      { allowEmpty, author, message, paths = [] }
    ) {
      yield* place("commit", workspace)
      yield* valid("commit", GitName.message(message))
      const { email, name } = yield* valid("commit", GitName.author(author))
      yield* Effect.forEach(paths, (path) => valid("commit", GitName.file(path)))
      return yield* Effect.flatMap(
        step("commit", workspace, {
          script: GitScripts.commit,
          args: [name, email, allowEmpty === true ? "yes" : "", ...paths],
          stdin: message,
          command: "commit"
        }),
        GitTransfer.headOf("commit")
      )
    }),
    push: Effect.fn("GitWorkspace.push")(function* (workspace, push = {}) {
      yield* place("push", workspace)
      if (push.branch !== undefined) yield* valid("push", GitName.ref(push.branch))
      if (push.to !== undefined) yield* valid("push", GitName.ref(push.to))
      return yield* transfer.push(workspace, push)
    }),
    log: Effect.fn("GitWorkspace.log")(function* (workspace, { from, limit = 50 } = {}) {
      yield* place("log", workspace)
      const base = yield* start("log", workspace, from)
      const args = [
        "log",
        "-z",
        "--no-show-signature",
        "--no-color",
        `--max-count=${limit}`,
        GitPorcelain.logFormat,
        base,
        "--"
      ]
      return GitPorcelain.log(yield* plain("log", workspace, args))
    }),
    currentCommit: Effect.fn("GitWorkspace.currentCommit")(function* (workspace) {
      const args = ["rev-parse", "--verify", "HEAD^{commit}"]
      return (yield* plain("currentCommit", workspace, args)).trim()
    }),
    restore: Effect.fn("GitWorkspace.restore")(function* (workspace, commit) {
      yield* place("restore", workspace)
      yield* valid("restore", GitName.commitId(commit))
      return yield* Effect.flatMap(
        step("restore", workspace, {
          script: GitScripts.restore,
          args: [commit],
          command: "reset",
          ref: commit
        }),
        GitTransfer.headOf("restore")
      )
    }),
    credential: Effect.fn("GitWorkspace.credential")(function* (workspace, ttl = "5 minutes") {
      yield* place("credential", workspace)
      const { credential, repository } = yield* transfer.remoteOf(workspace.repository)
      if (credential === undefined) {
        return yield* GitError.fail("credential", new GitError.AuthenticationFailed({ repository }))
      }
      yield* GitCredential.install(workspace, credential, ttl)
    })
  })
})

/** git in sandboxes, through git on this machine. */
export const layer = (
  options: Options
): Layer.Layer<
  GitWorkspace,
  GitError.GitError,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path
> => Layer.effect(GitWorkspace, make(options))

/** Where git is served, given the address of the API (`GITHUB_API_URL`): the same server by its other name. */
export const serverOf = (apiUrl: string | undefined): string => {
  const url = URL.parse(apiUrl ?? "https://api.github.com")
  if (url === null || url.host === "api.github.com") return "https://github.com"
  const host = /^api\.[^.]+\.ghe\.com$/.test(url.host) ? url.host.slice("api.".length) : url.host
  const path = url.pathname.replace(/\/+$/, "").replace(/\/api\/v3$/, "")
  return `${url.protocol}//${host}${path}`
}

/**
 * {@link layer} with the credentials of `GitHub` and the server of the configuration (`GITHUB_API_URL`), for every
 * repository.
 */
export const layerConfig = (
  options: Omit<Options, "token">
): Layer.Layer<
  GitWorkspace,
  GitError.GitError,
  | RemoteAgentConfig.RemoteAgentConfig
  | GitHub
  | ChildProcessSpawner.ChildProcessSpawner
  | FileSystem.FileSystem
  | Path.Path
> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const [{ GITHUB_API_URL: apiUrl }, github] = [yield* RemoteAgentConfig.RemoteAgentConfig, yield* GitHub]
      const token = (repository: string) =>
        Effect.mapBoth(github.token, {
          onSuccess: Option.getOrUndefined,
          onFailure: () => GitError.fail("start", new GitError.AuthenticationFailed({ repository }))
        })
      return layer({ baseUrl: serverOf(apiUrl), ...options, token })
    })
  )
