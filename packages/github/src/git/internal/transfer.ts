/** Clone, pull, checkout and push: what has to do with the server, in each mode. */
import { GitError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { type Duration, Effect, type Redacted } from "effect"
import type * as MirrorCache from "./mirrorCache.ts"
import * as GitCredential from "../GitCredential.ts"
import * as GitName from "../GitName.ts"
import * as GitSandbox from "./run.ts"
import * as GitScripts from "./scripts.ts"
import type {
  CloneOptions,
  Head,
  Mode,
  Pulled,
  PullOptions,
  Pushed,
  PushOptions,
  Workspace
} from "../GitWorkspace.ts"
import * as BundleRelay from "./bundleRelay.ts"

interface Dependencies {
  readonly baseUrl?: string | undefined
  readonly token?:
    | ((repository: string) => Effect.Effect<Redacted.Redacted | undefined, GitError.GitError>)
    | undefined
  readonly largestFile?: number | undefined
  readonly largestTransfer?: number | undefined
  readonly cache: MirrorCache.MirrorCache
  readonly relay: Effect.Success<ReturnType<typeof BundleRelay.make>>
  readonly wall: Duration.Input
}

/** The author of a merge when nobody is named. */
const merger = { name: "Remote Agent", email: "remote-agent@localhost" }

/** Reads what the scripts say of where a working tree is. */
export const headOf =
  (operation: GitError.Operation) =>
  (stdout: string): Effect.Effect<Head, GitError.GitError> => {
    const commit = GitSandbox.value(stdout, "head")
    return commit === undefined
      ? Effect.fail(GitError.fail(operation, new GitError.RefNotFound({ ref: "HEAD" })))
      : Effect.succeed({ branch: GitSandbox.value(stdout, "branch"), commit })
  }

/** The name under which a sandbox keeps what the server has. */
const refOf = ({ commit, kind, name }: MirrorCache.Resolved): BundleRelay.Sent => ({
  commit,
  ref:
    kind === "branch"
      ? `refs/remotes/origin/${name}`
      : kind === "tag"
        ? `refs/tags/${name}`
        : `refs/remote-agent/${commit}`
})

// What a sandbox says may be anything: a name or an id that is none does not get to git on this machine.
const named = (operation: GitError.Operation, name: string) =>
  Effect.mapError(Effect.fromResult(GitName.ref(name)), (reason) => GitError.fail(operation, reason))
const identified = (operation: GitError.Operation, id: string) =>
  Effect.mapError(Effect.fromResult(GitName.commitId(id)), (reason) => GitError.fail(operation, reason))

/** The transfers over a cache and a relay. */
export const make = ({
  baseUrl = "https://github.com",
  cache,
  relay,
  token,
  wall,
  ...limits
}: Dependencies) => {
  const { largestFile = 100 * 1024 * 1024, largestTransfer = 1024 ** 3 } = limits
  const { origin } = new URL(baseUrl)

  const remoteOf = Effect.fnUntraced(function* (repository: string) {
    const secret = token === undefined ? undefined : yield* token(repository)
    return {
      repository,
      url: `${baseUrl.replace(/\/+$/, "")}/${repository}.git`,
      credential: secret === undefined ? undefined : { origin, token: secret }
    } satisfies MirrorCache.Remote
  })

  const step = (operation: GitError.Operation, place: GitSandbox.WorkTree, one: GitSandbox.Step) =>
    GitSandbox.run(operation, place, one, wall)

  /** The copy of the host, as the server is now. */
  const copyOf = (operation: GitError.Operation, repository: string) =>
    Effect.flatMap(remoteOf(repository), (remote) => cache.use(operation, remote))

  /** The settings with which git in the sandbox reaches the server once; none in `direct` mode. */
  const settings = Effect.fnUntraced(function* (
    operation: GitError.Operation,
    place: GitSandbox.WorkTree,
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

  const cloneRelay = Effect.fnUntraced(function* (workspace: Workspace, { depth, ref }: CloneOptions) {
    const { packed, resolved, url } = yield* Effect.scoped(
      Effect.gen(function* () {
        const copy = yield* copyOf("clone", workspace.repository)
        const found = yield* copy.resolve(ref)
        const refs = depth === undefined ? yield* copy.refs : [refOf(found)]
        const parcel = { refs: found.kind === "commit" ? [...refs, refOf(found)] : refs, depth }
        return { resolved: found, url: copy.remote.url, packed: yield* relay.pack("clone", copy, parcel) }
      })
    )
    if (packed === undefined)
      return yield* GitError.fail("clone", new GitError.RefNotFound({ ref: resolved.name }))
    const { bundle, shallow } = packed
    return yield* BundleRelay.sending("clone", workspace, bundle, (at) =>
      step("clone", workspace, {
        script: GitScripts.cloneBundle,
        args: [at, url, resolved.kind, resolved.name, resolved.commit],
        stdin: shallow.map((commit) => `${commit}\n`).join(""),
        command: "clone"
      })
    )
  })

  const cloneDirect = Effect.fnUntraced(function* (workspace: Workspace, { depth, ref }: CloneOptions) {
    const { url } = yield* remoteOf(workspace.repository)
    const remote = (script: string, args: ReadonlyArray<string>) =>
      Effect.scoped(
        Effect.flatMap(settings("clone", workspace, workspace.mode), (reach) =>
          step("clone", workspace, {
            script,
            args: [...args, ...reach],
            command: "clone",
            ref: ref ?? "HEAD"
          })
        )
      )
    const listed = yield* remote(GitScripts.cloneStart, [url, ref ?? ""])
    const undo = Effect.mapError(workspace.sandbox.files.remove(workspace.dir), (cause) =>
      GitError.fail("clone", new GitError.SandboxFailed({ cause }))
    )
    const name = ref ?? /^ref: refs\/heads\/(.*)\tHEAD$/m.exec(listed)?.[1]
    const kind =
      name === undefined
        ? undefined
        : ref === undefined || listed.includes(`\trefs/heads/${name}\n`)
          ? "branch"
          : listed.includes(`\trefs/tags/${name}\n`)
            ? "tag"
            : GitName.isCommitId(name)
              ? "commit"
              : undefined
    if (name === undefined || kind === undefined) {
      yield* undo
      return yield* GitError.fail("clone", new GitError.RefNotFound({ ref: ref ?? "HEAD" }))
    }
    return yield* Effect.gen(function* () {
      const fetched = yield* remote(GitScripts.cloneFetch, [
        kind,
        name,
        depth === undefined ? "" : String(depth)
      ])
      const commit = fetched.trim()
      return yield* step("clone", workspace, {
        script: GitScripts.finishDirect,
        args: [kind, name, commit],
        command: "checkout"
      })
    }).pipe(
      Effect.onError(() =>
        Effect.catch(undo, (error) =>
          Effect.logWarning("A part of a clone may be left in the sandbox", error)
        )
      )
    )
  })

  const clone = Effect.fnUntraced(function* (sandbox: Sandbox.Sandbox, options: CloneOptions) {
    const { dir, hooks, lfs, repository, submodules } = options
    const mode = options.mode ?? ((yield* remoteOf(repository)).credential === undefined ? "direct" : "relay")
    const workspace: Workspace = { sandbox, dir, repository, mode, hooks, lfs, submodules }
    const printed = yield* mode === "relay" ? cloneRelay(workspace, options) : cloneDirect(workspace, options)
    return { ...workspace, ...(yield* headOf("clone")(printed)) }
  })

  /** What the sandbox has, as far as a transfer must know. */
  const stateOf = Effect.fnUntraced(function* (operation: GitError.Operation, workspace: Workspace) {
    const printed = yield* step(operation, workspace, { script: GitScripts.state, command: "rev-parse" })
    const ids = (name: string) => GitSandbox.values(printed, name).filter(GitName.isCommitId)
    const upstream = GitSandbox.value(printed, "upstream")
    if (upstream !== undefined) yield* named(operation, upstream)
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

  /** What the sandbox lacks of a name of the server; nothing to send when it lacks nothing. */
  const lacking = Effect.fnUntraced(function* (
    operation: GitError.Operation,
    workspace: Workspace,
    state: State,
    find: (copy: MirrorCache.Copy) => Effect.Effect<MirrorCache.Resolved, GitError.GitError>
  ) {
    const copy = yield* copyOf(operation, workspace.repository)
    const resolved = yield* find(copy)
    if (resolved.commit === state.head && resolved.commit === state.tracking)
      return { resolved, bundle: undefined }
    const packed = yield* relay.pack(operation, copy, {
      refs: [refOf(resolved)],
      have: yield* copy.known([...new Set(state.have)]),
      shallow: yield* copy.known(state.shallow)
    })
    return { resolved, bundle: packed?.bundle }
  }, Effect.scoped)

  const pullRelay = Effect.fnUntraced(function* (
    workspace: Workspace,
    state: State,
    upstream: string,
    apply: (bundle: string, commit: string) => Effect.Effect<string, GitError.GitError>
  ) {
    const { bundle, resolved } = yield* lacking("pull", workspace, state, (copy) =>
      Effect.flatMap(copy.branch(upstream), (commit) =>
        commit === undefined
          ? Effect.fail(GitError.fail("pull", new GitError.RefNotFound({ ref: upstream })))
          : Effect.succeed({ commit, kind: "branch", name: upstream } as const)
      )
    )
    if (resolved.commit === state.head && resolved.commit === state.tracking) return undefined
    return yield* bundle === undefined
      ? apply("", resolved.commit)
      : BundleRelay.sending("pull", workspace, bundle, (at) => apply(at, resolved.commit))
  })

  const pull = Effect.fnUntraced(function* (workspace: Workspace, options: PullOptions) {
    const state = yield* stateOf("pull", workspace)
    const { branch, head, upstream } = state
    if (branch === undefined || upstream === undefined || head === undefined) {
      return yield* GitError.fail("pull", new GitError.DetachedHead({}))
    }
    const { author = merger, onDiverged = "fail" } = options
    const apply = (bundle: string, commit: string) =>
      step("pull", workspace, {
        script: GitScripts.pull,
        args: [bundle, upstream, commit, onDiverged, author.name, author.email],
        command: "merge",
        branch
      })
    const printed =
      workspace.mode === "relay"
        ? yield* pullRelay(workspace, state, upstream, apply)
        : yield* Effect.flatMap(fetchBranch("pull", workspace, upstream), (commit) => apply("", commit))
    if (printed === undefined) return { branch, commit: head, before: head } satisfies Pulled
    return { ...(yield* headOf("pull")(printed)), before: head } satisfies Pulled
  })

  const fetchBranch = (operation: GitError.Operation, workspace: Workspace, branch: string) =>
    Effect.scoped(
      Effect.flatMap(settings(operation, workspace, workspace.mode), (reach) =>
        Effect.map(
          step(operation, workspace, {
            script: GitScripts.fetchDirect,
            args: [branch, ...reach],
            command: "fetch",
            ref: branch
          }),
          (stdout) => stdout.trim()
        )
      )
    )

  const checkout = Effect.fnUntraced(function* (workspace: Workspace, ref: string) {
    const switched = step("checkout", workspace, {
      script: GitScripts.checkout,
      args: [ref],
      command: "checkout",
      ref
    })
    const fetched = Effect.gen(function* () {
      if (workspace.mode !== "relay") {
        yield* fetchBranch("checkout", workspace, ref)
        return yield* switched
      }
      const state = yield* stateOf("checkout", workspace)
      const { bundle, resolved } = yield* lacking("checkout", workspace, state, (copy) => copy.resolve(ref))
      if (bundle === undefined) {
        const { commit: to, ref: name } = refOf(resolved)
        yield* step("checkout", workspace, {
          script: GitScripts.plain,
          args: ["update-ref", name, to],
          command: "update-ref"
        })
      } else {
        yield* BundleRelay.sending("checkout", workspace, bundle, (at) =>
          step("checkout", workspace, { script: GitScripts.take, args: [at], command: "fetch" })
        )
      }
      return yield* switched
    })
    const printed = yield* Effect.catchReason(switched, "GitError", "RefNotFound", () => fetched)
    return yield* headOf("checkout")(printed)
  })

  const pushRelay = Effect.fnUntraced(function* (
    workspace: Workspace,
    { branch: wanted, force, to }: PushOptions
  ) {
    const { sandbox } = workspace
    const send = Effect.fnUntraced(function* (all: boolean) {
      const at = yield* BundleRelay.bundlePath
      const drop = Effect.catch(sandbox.files.remove(at), (error) =>
        Effect.logWarning("A bundle may be left in the sandbox", error)
      )
      const args = [String(largestFile), wanted ?? "", at, all ? "yes" : ""]
      return yield* Effect.gen(function* () {
        const printed = yield* step("push", workspace, {
          script: GitScripts.pushBundle,
          args,
          command: "bundle",
          ref: wanted ?? "HEAD"
        })
        const branch = yield* named("push", GitSandbox.value(printed, "branch") ?? "")
        const commit = yield* identified("push", GitSandbox.value(printed, "head") ?? "")
        const target = to ?? branch
        const size = GitSandbox.value(printed, "size")
        if (Number(size ?? 0) > largestTransfer) {
          return yield* GitError.fail("push", new GitError.TooLarge({ limitBytes: largestTransfer }))
        }
        const bundle =
          size === undefined
            ? undefined
            : yield* sandbox.files.read(at).pipe(GitSandbox.sandboxFailed("push"))
        const seen = GitSandbox.values(printed, "tracking").find((line) =>
          line.endsWith(` refs/remotes/origin/${target}`)
        )
        const done = yield* Effect.scoped(
          Effect.flatMap(copyOf("push", workspace.repository), (copy) =>
            relay.push(
              "push",
              copy,
              {
                commit,
                branch: target,
                replaces: force === true ? (seen?.slice(0, seen.indexOf(" ")) ?? "") : undefined
              },
              bundle
            )
          )
        )
        if (!done) return undefined
        yield* step("push", workspace, {
          script: GitScripts.pushed,
          args: [at, target, commit],
          command: "update-ref"
        })
        return { branch: target, commit } satisfies Pushed
      }).pipe(Effect.onError(() => drop))
    })
    const pushed = (yield* send(false)) ?? (yield* send(true))
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
    { branch: wanted, force, to }: PushOptions
  ) {
    const reach = yield* settings("push", workspace, "credential")
    const one: GitSandbox.Step = {
      script: GitScripts.pushDirect,
      args: [String(largestFile), wanted ?? "", to ?? "", force === true ? "yes" : "", ...reach],
      command: "push",
      ref: wanted ?? "HEAD"
    }
    const done = yield* GitSandbox.attempt("push", workspace, one, wall)
    const branch = to ?? GitSandbox.value(done.stdout, "branch") ?? ""
    const commit = GitSandbox.value(done.stdout, "head") ?? ""
    if (done.exitCode === 0) return { branch, commit } satisfies Pushed
    return yield* GitError.fail(
      "push",
      done.exitCode >= GitScripts.exits.gitMissing && done.exitCode <= GitScripts.exits.fileTooLarge
        ? GitSandbox.reasonOf(workspace, one, done)
        : BundleRelay.pushReason(workspace.repository, branch, done, "sandbox")
    )
  }, Effect.scoped)

  return {
    remoteOf,
    clone,
    pull,
    checkout,
    push: (workspace: Workspace, options: PushOptions) =>
      workspace.mode === "credential" ? pushDirect(workspace, options) : pushRelay(workspace, options)
  }
}
