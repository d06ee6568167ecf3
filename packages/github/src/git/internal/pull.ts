/** Brings a working tree to what the server has: pull and checkout. */
import { GitError } from "@remote-agent/domain"
import { Effect } from "effect"
import type { Author } from "../GitName.ts"
import type { Pulled, PullOptions, Workspace } from "../Workspace.ts"
import * as BundleRelay from "./bundleRelay.ts"
import { type Remote, refOf } from "./remote.ts"
import { headOf } from "./run.ts"

/** The author of a merge commit when the caller names none. */
const merger: Author = { name: "Remote Agent", email: "remote-agent@localhost" }

export const make = ({ fetchDirect, packMissing, stateOf, step }: Remote) => {
  /** Applies what the server has of a branch. None when the working tree has it all. */
  const pullRelay = Effect.fnUntraced(function* (
    workspace: Workspace,
    state: Effect.Success<ReturnType<typeof stateOf>>,
    upstream: string,
    apply: (bundle: string, commit: string) => Effect.Effect<string, GitError.GitError>
  ) {
    const { bundle, resolved } = yield* packMissing("pull", workspace, state, (mirror) =>
      Effect.flatMap(mirror.branch(upstream), (commit) =>
        commit === undefined
          ? Effect.fail(GitError.fail("pull", new GitError.RefNotFound({ ref: upstream })))
          : Effect.succeed({ commit, kind: "branch", name: upstream } as const)
      )
    )
    if (resolved.commit === state.head && resolved.commit === state.tracking) return undefined
    return yield* bundle === undefined
      ? apply("", resolved.commit)
      : BundleRelay.withBundle("pull", workspace, bundle, (path) => apply(path, resolved.commit))
  })

  const pull = Effect.fnUntraced(function* (workspace: Workspace, options: PullOptions) {
    const state = yield* stateOf("pull", workspace)
    const { branch, head, upstream } = state
    if (branch === undefined || upstream === undefined || head === undefined) {
      return yield* GitError.fail("pull", new GitError.DetachedHead({}))
    }
    const { author = merger, onDiverged = "fail" } = options
    /** Set by the host, which resolved the commit; with git in the sandbox it is not known here. */
    let resolved: string | undefined
    const seen = () =>
      resolved === undefined || workspace.mode !== "relay"
        ? undefined
        : { branch: upstream, commit: resolved }
    const apply = (bundle: string, commit: string) => {
      resolved = commit
      return step("pull", workspace, {
        script: "pull.sh",
        args: [bundle, upstream, commit, onDiverged, author.name, author.email],
        command: "merge",
        branch
      }).pipe(
        Effect.catchReason("GitError", "NonFastForward", (_, error) =>
          Effect.fail(
            workspace.mode === "relay"
              ? GitError.fail("pull", new GitError.NonFastForward({ branch: upstream, commit }))
              : error
          )
        )
      )
    }
    const printed =
      workspace.mode === "relay"
        ? yield* pullRelay(workspace, state, upstream, apply)
        : yield* Effect.flatMap(fetchDirect("pull", workspace, upstream), (commit) => apply("", commit))
    if (printed === undefined) {
      return { branch, commit: head, before: head, seen: { branch: upstream, commit: head } } satisfies Pulled
    }
    return { ...(yield* headOf("pull")(printed)), before: head, seen: seen() } satisfies Pulled
  })

  /** Brings a ref of the server into the sandbox. */
  const fetchRef = Effect.fnUntraced(function* (workspace: Workspace, ref: string) {
    if (workspace.mode !== "relay") {
      yield* fetchDirect("checkout", workspace, ref)
      return
    }
    const state = yield* stateOf("checkout", workspace)
    const { bundle, resolved } = yield* packMissing("checkout", workspace, state, (mirror) =>
      mirror.resolve(ref)
    )
    if (bundle === undefined) {
      const { commit, ref: name } = refOf(resolved)
      yield* step("checkout", workspace, {
        script: "update-ref.sh",
        args: [name, commit],
        command: "update-ref"
      })
    } else {
      yield* BundleRelay.withBundle("checkout", workspace, bundle, (path) =>
        step("checkout", workspace, { script: "take-bundle.sh", args: [path], command: "fetch" })
      )
    }
  })

  const checkout = Effect.fnUntraced(function* (workspace: Workspace, ref: string) {
    const switched = step("checkout", workspace, {
      script: "checkout.sh",
      args: [ref],
      command: "checkout",
      ref
    })
    const printed = yield* Effect.catchReason(switched, "GitError", "RefNotFound", () =>
      Effect.andThen(fetchRef(workspace, ref), switched)
    )
    return yield* headOf("checkout")(printed)
  })

  return { pull, checkout }
}
