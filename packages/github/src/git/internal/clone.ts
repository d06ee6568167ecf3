/** Makes a working tree, from a bundle or with git in the sandbox. */
import { GitError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Effect } from "effect"
import * as GitName from "../GitName.ts"
import type { CloneOptions, Cloned, Workspace } from "../Workspace.ts"
import * as BundleRelay from "./bundleRelay.ts"
import { type Dependencies, type Remote, refOf } from "./remote.ts"
import { headOf } from "./run.ts"

const listOf = ({ placed = [] }: CloneOptions): string => placed.join("\n")

/** The kind of a ref, from what `clone-start.sh` listed of the server. */
const kindOf = (listed: string, name: string, isDefault: boolean) => {
  if (isDefault || listed.includes(`\trefs/heads/${name}\n`)) return "branch"
  if (listed.includes(`\trefs/tags/${name}\n`)) return "tag"
  return GitName.isCommitId(name) ? "commit" : undefined
}

export const make = ({ relay }: Dependencies, { gitOptions, mirrorOf, remoteOf, step }: Remote) => {
  const cloneRelay = Effect.fnUntraced(function* (workspace: Workspace, options: CloneOptions) {
    const { depth, ref } = options
    const { packed, resolved, url } = yield* Effect.scoped(
      Effect.gen(function* () {
        const mirror = yield* mirrorOf("clone", workspace.repository)
        const found = yield* mirror.resolve(ref)
        const refs = depth === undefined ? yield* mirror.refs : [refOf(found)]
        const parcel = { refs: found.kind === "commit" ? [...refs, refOf(found)] : refs, depth }
        return {
          resolved: found,
          url: mirror.remote.url,
          packed: yield* relay.pack("clone", mirror, parcel)
        }
      })
    )
    if (packed === undefined)
      return yield* GitError.fail("clone", new GitError.RefNotFound({ ref: resolved.name }))
    const { bundle, shallow } = packed
    yield* BundleRelay.withBundle("clone", workspace, bundle, (path) =>
      step("clone", workspace, {
        script: "clone-bundle.sh",
        args: [path, url, resolved.kind, resolved.name, resolved.commit, listOf(options)],
        stdin: shallow.map((commit) => `${commit}\n`).join(""),
        command: "clone"
      })
    )
    const { commit } = resolved
    const branch = resolved.kind === "branch" ? resolved.name : undefined
    return { branch, commit, seen: branch === undefined ? undefined : { branch, commit } } satisfies Cloned
  })

  const cloneDirect = Effect.fnUntraced(function* (workspace: Workspace, options: CloneOptions) {
    const { depth, ref } = options
    const placed = listOf(options)
    const { url } = yield* remoteOf(workspace.repository)
    const withServer = (script: `${string}.sh`, args: ReadonlyArray<string>) =>
      Effect.scoped(
        Effect.flatMap(gitOptions("clone", workspace, workspace.mode), (reach) =>
          step("clone", workspace, {
            script,
            args: [...args, ...reach],
            command: "clone",
            ref: ref ?? "HEAD"
          })
        )
      )
    const listed = yield* withServer("clone-start.sh", [url, ref ?? "", placed])
    const undo = step("clone", workspace, { script: "clone-undo.sh", args: [placed], command: "clone" })
    const name = ref ?? /^ref: refs\/heads\/(.*)\tHEAD$/m.exec(listed)?.[1]
    const kind = name === undefined ? undefined : kindOf(listed, name, ref === undefined)
    if (name === undefined || kind === undefined) {
      yield* undo
      return yield* GitError.fail("clone", new GitError.RefNotFound({ ref: ref ?? "HEAD" }))
    }
    return yield* Effect.gen(function* () {
      const fetched = yield* withServer("clone-fetch.sh", [
        kind,
        name,
        depth === undefined ? "" : String(depth),
        placed
      ])
      return yield* step("clone", workspace, {
        script: "clone-finish.sh",
        args: [kind, name, fetched.trim(), placed],
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

  return Effect.fnUntraced(function* (sandbox: Sandbox.Sandbox, options: CloneOptions) {
    const { dir, hooks, lfs, repository, submodules } = options
    const mode = options.mode ?? ((yield* remoteOf(repository)).credential === undefined ? "direct" : "relay")
    const workspace: Workspace = { sandbox, dir, repository, mode, hooks, lfs, submodules }
    const cloned: Cloned = yield* mode === "relay"
      ? cloneRelay(workspace, options)
      : Effect.flatMap(cloneDirect(workspace, options), headOf("clone"))
    return { ...workspace, ...cloned }
  })
}
