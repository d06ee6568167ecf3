/** The server of a working tree: its address and token, and fetching from it in each mode. */
import { GitError } from "@remote-agent/domain"
import { type Duration, Effect, type Redacted } from "effect"
import * as GitCredential from "../GitCredential.ts"
import * as GitName from "../GitName.ts"
import type { Mode, Workspace, WorkTree } from "../Workspace.ts"
import type * as BundleRelay from "./bundleRelay.ts"
import type * as MirrorCache from "./mirrorCache.ts"
import * as GitSandbox from "./run.ts"

/** What the transfers need. */
export interface Dependencies {
  readonly baseUrl: string
  readonly token:
    | ((repository: string) => Effect.Effect<Redacted.Redacted | undefined, GitError.GitError>)
    | undefined
  /** The largest file that the server accepts, in bytes. */
  readonly largestFile: number
  /** The most bytes that are moved to or from a sandbox at once. */
  readonly largestTransfer: number
  readonly cache: MirrorCache.MirrorCache
  readonly relay: BundleRelay.BundleRelay
  /** The time limit of a step in a sandbox. */
  readonly wall: Duration.Input
}

/** The ref under which a sandbox keeps what the server has. */
export const refOf = ({ commit, kind, name }: MirrorCache.Resolved): BundleRelay.Sent => ({
  commit,
  ref:
    kind === "branch"
      ? `refs/remotes/origin/${name}`
      : kind === "tag"
        ? `refs/tags/${name}`
        : `refs/remote-agent/${commit}`
})

/**
 * Checks a name that a sandbox printed. A sandbox may print anything, and an invalid name must not reach git on this
 * machine.
 */
const validName = (operation: GitError.Operation, name: string) =>
  Effect.mapError(Effect.fromResult(GitName.ref(name)), (reason) => GitError.fail(operation, reason))

/** Checks a commit id that a sandbox printed. */
export const validCommit = (operation: GitError.Operation, id: string) =>
  Effect.mapError(Effect.fromResult(GitName.commitId(id)), (reason) => GitError.fail(operation, reason))

/** Reaching the server. */
export const make = ({ baseUrl, cache, relay, token, wall }: Dependencies) => {
  const { origin } = new URL(baseUrl)

  const step = (operation: GitError.Operation, place: WorkTree, one: GitSandbox.Step) =>
    GitSandbox.run(operation, place, one, wall)

  /** The address of a repository, and the credential for it if there is one. */
  const remoteOf = Effect.fnUntraced(function* (repository: string) {
    const secret = token === undefined ? undefined : yield* token(repository)
    return {
      repository,
      url: `${baseUrl.replace(/\/+$/, "")}/${repository}.git`,
      credential: secret === undefined ? undefined : { origin, token: secret }
    } satisfies MirrorCache.Remote
  })

  /** The mirror on this machine, brought up to date. */
  const mirrorOf = (operation: GitError.Operation, repository: string) =>
    Effect.flatMap(remoteOf(repository), (remote) => cache.use(operation, remote))

  /** The options with which git in the sandbox reaches the server once; none in mode `direct`. */
  const gitOptions = Effect.fnUntraced(function* (
    operation: GitError.Operation,
    place: WorkTree,
    mode: Mode
  ) {
    const { credential, repository } = yield* remoteOf(place.repository)
    if (mode !== "credential") return []
    if (credential === undefined) {
      return yield* GitError.fail(operation, new GitError.AuthenticationFailed({ repository }))
    }
    const { name, value } = yield* GitCredential.grant(place, credential, wall)
    return ["-c", "credential.helper=", "-c", `${name}=${value}`]
  })

  /** Has git in the sandbox fetch a branch, and returns its commit. */
  const fetchDirect = (operation: GitError.Operation, workspace: Workspace, branch: string) =>
    Effect.scoped(
      Effect.flatMap(gitOptions(operation, workspace, workspace.mode), (options) =>
        Effect.map(
          step(operation, workspace, {
            script: "fetch.sh",
            args: [branch, ...options],
            command: "fetch",
            ref: branch
          }),
          (stdout) => stdout.trim()
        )
      )
    )

  /** What the working tree has, as far as a transfer needs it. */
  const stateOf = Effect.fnUntraced(function* (operation: GitError.Operation, workspace: Workspace) {
    const printed = yield* step(operation, workspace, { script: "state.sh", command: "rev-parse" })
    const ids = (name: string) => GitSandbox.values(printed, name).filter(GitName.isCommitId)
    const upstream = GitSandbox.value(printed, "upstream")
    if (upstream !== undefined) yield* validName(operation, upstream)
    return {
      branch: GitSandbox.value(printed, "branch"),
      head: GitSandbox.value(printed, "head"),
      upstream,
      tracking: GitSandbox.value(printed, "tracking"),
      shallow: ids("shallow"),
      have: ids("have")
    }
  })
  type State = Effect.Success<ReturnType<typeof stateOf>>

  /** Packs what the working tree lacks of a ref of the server. There is no bundle when it lacks nothing. */
  const packMissing = Effect.fnUntraced(function* (
    operation: GitError.Operation,
    workspace: Workspace,
    state: State,
    find: (mirror: MirrorCache.Mirror) => Effect.Effect<MirrorCache.Resolved, GitError.GitError>
  ) {
    const mirror = yield* mirrorOf(operation, workspace.repository)
    const resolved = yield* find(mirror)
    if (resolved.commit === state.head && resolved.commit === state.tracking)
      return { resolved, bundle: undefined }
    const packed = yield* relay.pack(operation, mirror, {
      refs: [refOf(resolved)],
      have: yield* mirror.known([...new Set(state.have)]),
      shallow: yield* mirror.known(state.shallow)
    })
    return { resolved, bundle: packed?.bundle }
  }, Effect.scoped)

  return { step, remoteOf, mirrorOf, gitOptions, fetchDirect, stateOf, packMissing }
}

/** Reaching the server. */
export type Remote = ReturnType<typeof make>
