import { RemoteAgentConfig, GitError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import {
  Context,
  type Duration,
  Effect,
  type FileSystem,
  Layer,
  Option,
  type Path,
  type Redacted,
  type Result,
  type Scope
} from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { GitHub } from "../api/GitHub.ts"
import * as GitEnvironment from "../network/gitEnvironment.ts"
import * as Network from "../network/Network.ts"
import * as GitCredential from "./GitCredential.ts"
import * as GitName from "./GitName.ts"
import * as HostGit from "./HostGit.ts"
import * as BundleRelay from "./internal/bundleRelay.ts"
import * as Clone from "./internal/clone.ts"
import * as CommitFile from "./commitFile.ts"
import * as Local from "./internal/local.ts"
import * as MirrorCache from "./internal/mirrorCache.ts"
import type { Commit, Status } from "./internal/porcelain.ts"
import * as Pull from "./internal/pull.ts"
import * as Push from "./internal/push.ts"
import * as Remote from "./internal/remote.ts"
import type {
  CloneOptions,
  Cloned,
  CommitOptions,
  Diff,
  FileCommit,
  FileCommitted,
  Head,
  Pulled,
  PullOptions,
  Pushed,
  PushOptions,
  Workspace
} from "./Workspace.ts"

export type { ChangedFile, Commit, Status, StatusEntry } from "./internal/porcelain.ts"
export type * from "./Workspace.ts"

/**
 * How `GitWorkspace` works.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Where this machine keeps a mirror of each repository. */
  readonly cache: MirrorCache.Options
  /** The server. Default: `https://github.com`. Plain `http:` is for tests, because it sends the token unencrypted. */
  readonly baseUrl?: string | undefined
  /** The token for a repository, requested for each call; none for a public repository. */
  readonly token?:
    | ((repository: string) => Effect.Effect<Redacted.Redacted | undefined, GitError.GitError>)
    | undefined
  readonly host?: HostGit.Options | undefined
  /** Whether git on this machine is looked up when it is first needed instead of at the start. */
  readonly lazy?: boolean | undefined
  /** The largest file that the server accepts, in bytes. Default: 100 MiB, the limit of GitHub. */
  readonly largestFile?: number | undefined
  /** The most bytes that may go to or from a sandbox at once. They are held in memory. Default: 1 GiB. */
  readonly largestTransfer?: number | undefined
  /** The time limit of a step in a sandbox. Default: 10 minutes. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * git in sandboxes.
 *
 * **Details**
 *
 * Names, messages and paths arrive in git exactly as they are given, or are refused with `InvalidName`. Every method
 * fails with `SandboxFailed` when the sandbox does and with `NotARepository` without a clone, and leaves the working
 * tree as it was when it fails. Those that change it fail with `Locked` while another git works in it. Methods that use the server also fail with `AuthenticationFailed`,
 * `PermissionDenied`, `RepositoryNotFound` or `Unreachable`.
 *
 * @category services
 * @since 0.1.0
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
    ) => Effect.Effect<Workspace & Cloned, GitError.GitError>
    /**
     * Moves the branch that is checked out to where the server's branch is. Fails with `DetachedHead`,
     * `NonFastForward`, `Conflict` (also with local changes), or `RefNotFound` when the server's branch is gone.
     */
    readonly pull: (workspace: Workspace, options?: PullOptions) => Effect.Effect<Pulled, GitError.GitError>
    /**
     * Checks out a branch, tag or commit, and fetches it if needed. Fails with `RefNotFound`, `Conflict`, or `RefConflict`
     * when the name cannot exist beside another branch.
     */
    readonly checkout: (workspace: Workspace, ref: string) => Effect.Effect<Head, GitError.GitError>
    /** Creates a branch at `from` (default: HEAD) and checks it out. Fails with `BranchExists` or `RefConflict`. */
    readonly createBranch: (
      workspace: Workspace,
      name: string,
      from?: string
    ) => Effect.Effect<Head, GitError.GitError>
    readonly status: (workspace: Workspace) => Effect.Effect<Status, GitError.GitError>
    /** Compares the files with a commit. Default: the last one. Untracked files are left out. */
    readonly diff: (workspace: Workspace, from?: string) => Effect.Effect<Diff, GitError.GitError>
    /**
     * Commits every change, or the given paths. Fails with `NothingToCommit`, or with `NestedRepositories`,
     * `ConflictMarkers` or `OperationInProgress` unless the options allow it.
     */
    readonly commit: (workspace: Workspace, options: CommitOptions) => Effect.Effect<Head, GitError.GitError>
    /**
     * Pushes a branch that the caller names; git in the sandbox offers the commits and decides nothing else. Succeeds
     * when the server has it already. Fails with `NonFastForward`, `ProtectedBranch`, `PushRefused`, `BranchNotOwned`,
     * `FileTooLarge`, `RefNotFound` or `RefConflict`, and for what the options do not allow as `commit` does.
     */
    readonly push: (workspace: Workspace, options: PushOptions) => Effect.Effect<Pushed, GitError.GitError>
    /**
     * Commits one file to a branch of the server, on this machine and without a sandbox. Fails with `RefNotFound` for
     * the base, and as `push` does.
     */
    readonly commitFile: (file: FileCommit) => Effect.Effect<FileCommitted, GitError.GitError>
    /** The newest commits first. Default: 50. */
    readonly log: (
      workspace: Workspace,
      options?: { readonly limit?: number; readonly from?: string }
    ) => Effect.Effect<ReadonlyArray<Commit>, GitError.GitError>
    readonly currentCommit: (workspace: Workspace) => Effect.Effect<string, GitError.GitError>
    /** Resets branch and files to a commit, for a rollback. Untracked files stay. */
    readonly restore: (workspace: Workspace, commit: string) => Effect.Effect<Head, GitError.GitError>
    /**
     * Lets one program in the sandbox reach the server once, until the scope closes or the ttl (default: 5 minutes)
     * ends. Fails with `AuthenticationFailed` without a token.
     */
    readonly credential: (
      workspace: Workspace,
      ttl?: Duration.Input
    ) => Effect.Effect<void, GitError.GitError, Scope.Scope>
  }
>()("@remote-agent/github/GitWorkspace") {}

const checkedFile = <A>(result: Result.Result<A, GitError.InvalidName>) => Local.checked("commitFile", result)

/** git on this machine, whose version is checked before its first use. */
const makeHostGit = Effect.fnUntraced(function* (options: HostGit.Options | undefined, lazy: boolean) {
  const git = yield* HostGit.make(options)
  const checked = yield* Effect.cached(HostGit.checkVersion(git))
  if (!lazy) yield* checked
  const run: HostGit.HostGit = (operation, command) => Effect.andThen(checked, git(operation, command))
  return run
})

/**
 * Makes the service.
 *
 * **Details**
 *
 * Fails with `GitMissing` or `GitTooOld` when git on this machine cannot be used. With `lazy`, the first method that
 * needs it fails instead.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const git = yield* makeHostGit(options.host, options.lazy === true)
  const server = (options.baseUrl ?? "https://github.com").replace(/\/+$/, "")
  const largestTransfer = options.largestTransfer ?? 1024 ** 3
  const wall = options.timeout ?? "10 minutes"
  const cache = yield* MirrorCache.make(git, options.cache)
  const relay = yield* BundleRelay.make(git, largestTransfer)
  const dependencies: Remote.Dependencies = {
    baseUrl: server,
    token: options.token,
    largestFile: options.largestFile ?? 100 * 1024 * 1024,
    largestTransfer,
    cache,
    relay,
    wall
  }
  const remote = Remote.make(dependencies)
  const cloneTo = Clone.make(dependencies, remote)
  const { checkout, pull } = Pull.make(remote)
  const push = Push.make(dependencies, remote)
  const commitFile = yield* CommitFile.make(git, dependencies, remote)
  const local = Local.make(wall)

  return GitWorkspace.of({
    server,
    clone: Effect.fn("GitWorkspace.clone")(function* (sandbox, clone) {
      yield* Local.checkPlace("clone", { ...clone, sandbox })
      if (clone.ref !== undefined) yield* Local.checked("clone", GitName.ref(clone.ref))
      yield* Effect.forEach(clone.placed ?? [], (path) => Local.checked("clone", GitName.line(path)))
      return yield* cloneTo(sandbox, clone)
    }),
    pull: Effect.fn("GitWorkspace.pull")(function* (workspace, how = {}) {
      yield* Local.checkPlace("pull", workspace)
      if (how.author !== undefined) yield* Local.checked("pull", GitName.author(how.author))
      return yield* pull(workspace, how)
    }),
    checkout: Effect.fn("GitWorkspace.checkout")(function* (workspace, ref) {
      yield* Local.checkPlace("checkout", workspace)
      yield* Local.checked("checkout", GitName.ref(ref))
      return yield* checkout(workspace, ref)
    }),
    createBranch: Effect.fn("GitWorkspace.createBranch")(local.createBranch),
    status: Effect.fn("GitWorkspace.status")(local.status),
    diff: Effect.fn("GitWorkspace.diff")(local.diff),
    commit: Effect.fn("GitWorkspace.commit")(local.commit),
    commitFile: Effect.fn("GitWorkspace.commitFile")(function* (file) {
      yield* checkedFile(GitName.repository(file.repository))
      yield* checkedFile(GitName.ref(file.base))
      yield* checkedFile(GitName.ref(file.branch))
      yield* checkedFile(GitName.file(file.path))
      yield* checkedFile(GitName.author(file.author))
      yield* checkedFile(GitName.message(file.message))
      return yield* commitFile(file)
    }),
    push: Effect.fn("GitWorkspace.push")(function* (workspace, how) {
      yield* Local.checkPlace("push", workspace)
      yield* Local.checked("push", GitName.ref(how.branch))
      if (how.replaces !== undefined && how.replaces !== "") {
        yield* Local.checked("push", GitName.commitId(how.replaces))
      }
      if (how.to !== undefined) yield* Local.checked("push", GitName.ref(how.to))
      return yield* push(workspace, how)
    }),
    log: Effect.fn("GitWorkspace.log")(local.log),
    currentCommit: Effect.fn("GitWorkspace.currentCommit")(local.currentCommit),
    restore: Effect.fn("GitWorkspace.restore")(local.restore),
    credential: Effect.fn("GitWorkspace.credential")(function* (workspace, ttl = "5 minutes") {
      yield* Local.checkPlace("credential", workspace)
      const { credential, repository } = yield* remote.remoteOf(workspace.repository)
      if (credential === undefined) {
        return yield* GitError.fail("credential", new GitError.AuthenticationFailed({ repository }))
      }
      yield* GitCredential.install(workspace, credential, ttl)
    })
  })
})

/**
 * git in sandboxes, over git on this machine.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<
  GitWorkspace,
  GitError.GitError,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path
> => Layer.effect(GitWorkspace, make(options))

/**
 * The address of the git server that belongs to an API address (`GITHUB_API_URL`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverOf = (apiUrl: string | undefined): string => {
  const url = URL.parse(apiUrl ?? "https://api.github.com")
  if (url === null || url.host === "api.github.com") return "https://github.com"
  const host = /^api\.[^.]+\.ghe\.com$/.test(url.host) ? url.host.slice("api.".length) : url.host
  const path = url.pathname.replace(/\/+$/, "").replace(/\/api\/v3$/, "")
  return `${url.protocol}//${host}${path}`
}

/**
 * {@link layer} with the credential of `GitHub`, and the server (`GITHUB_API_URL`), the proxy and the certificates of
 * the settings.
 *
 * @category layers
 * @since 0.1.0
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
      const server = options.baseUrl ?? serverOf(apiUrl)
      const env = yield* Effect.mapError(GitEnvironment.make(yield* Network.fromConfig, server), () =>
        GitError.fail("start", new GitError.CacheFailed({ path: "the temporary folder" }))
      )
      const token = (repository: string) =>
        Effect.mapBoth(github.token, {
          onSuccess: Option.getOrUndefined,
          onFailure: () => GitError.fail("start", new GitError.AuthenticationFailed({ repository }))
        })
      return layer({
        ...options,
        baseUrl: server,
        token,
        host: { ...options.host, env: { ...env, ...options.host?.env } }
      })
    })
  )
