/**
 * Handlers of the endpoints for snapshots, forks and templates.
 *
 * @since 0.1.0
 */
import { Effect, Option, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { SandboxRegistry } from "../sandboxes/SandboxRegistry.ts"
import * as SnapshotName from "../sandboxes/SnapshotName.ts"
import { type Snapshot, SnapshotStore } from "../sandboxes/SnapshotStore.ts"
import { body, ofRegistry, refuse } from "./ApiError.ts"
import { E2bApi } from "./E2bApi.ts"
import { domainOf, refusing } from "./respond.ts"
import * as SandboxListing from "./SandboxListing.ts"
import type * as Schemas from "./schemas.ts"

// The default ttl of a fork at E2B.
const FORK_SECONDS = 15

const view = (snapshot: Snapshot) => ({
  snapshotID: SnapshotName.referenceOf(snapshot),
  names: Option.toArray(Option.map(snapshot.name, SnapshotName.format)),
  memory: false
})

const make = Effect.gen(function* () {
  const registry = yield* SandboxRegistry
  const snapshots = yield* SnapshotStore

  const take = Effect.fnUntraced(function* (id: string, name: string) {
    const parsed = SnapshotName.parse(name)
    if (name !== "" && Option.isNone(parsed)) {
      return yield* refuse(400, `${JSON.stringify(name)} is not a valid name for a snapshot`)
    }
    return view(yield* snapshots.take(id, parsed))
  })

  const list = Effect.fnUntraced(function* ({
    limit = 100,
    name,
    nextToken,
    sandboxID
  }: typeof Schemas.SnapshotQuery.Type) {
    const after = Option.flatMap(Option.fromUndefinedOr(nextToken), SandboxListing.decodeToken)
    if (nextToken !== undefined && Option.isNone(after)) return yield* refuse(400, "nextToken is not valid")
    const all = yield* snapshots.list
    const page = SandboxListing.cut(
      all.filter(
        (snapshot) =>
          (sandboxID === undefined || snapshot.sandboxId === sandboxID) &&
          (name === undefined || Option.isSome(SnapshotName.find([snapshot], name)))
      ),
      { position: ({ id, takenAt }) => ({ id, startedAt: takenAt }), order: "desc", after, limit }
    )
    return SandboxListing.respond(page, view)
  })

  /** Creates sandboxes with the files, variables and metadata of another. Unlike at E2B no processes run in them. */
  const fork = Effect.fnUntraced(function* (
    id: string,
    count: number,
    timeoutSeconds: number,
    domain: string
  ) {
    const { spec } = yield* registry.get(id)
    const results = yield* snapshots.once(id, (folder) =>
      Effect.forEach(
        Array.from({ length: count }),
        () => Effect.result(registry.create({ ...spec, timeoutSeconds }, { _tag: "CopyOf", folder })),
        { concurrency: 8 }
      )
    )
    return results.map(
      Result.match({
        onSuccess: (sandbox) => ({ sandbox: SandboxListing.connection(sandbox, domain) }),
        onFailure: (error) => ({ error: body(ofRegistry(error)) })
      })
    )
  })

  const alias = Effect.fnUntraced(function* (name: string) {
    if (SnapshotName.isBase(name)) return { templateID: name, public: true }
    const found = yield* snapshots.find(name)
    return Option.isSome(found)
      ? { templateID: found.value.id, public: false }
      : yield* refuse(404, `template ${JSON.stringify(name)} was not found`)
  })

  return { snapshots, take, list, fork, alias }
})

/** The handlers of the snapshot endpoints. */
export const layer = HttpApiBuilder.group(
  E2bApi,
  "snapshots",
  Effect.fnUntraced(function* (handlers) {
    const { alias, fork, list, snapshots, take } = yield* make
    return handlers
      .handle("take", ({ params, payload }) => refusing(take(params.id, payload?.name ?? "")))
      .handle("fork", ({ params, payload, request }) =>
        refusing(fork(params.id, payload?.count ?? 1, payload?.timeout ?? FORK_SECONDS, domainOf(request)))
      )
      .handle("listSnapshots", ({ query }) => refusing(list(query)))
      .handle("alias", ({ params }) => refusing(alias(params.id)))
      .handle("remove", ({ params }) => refusing(snapshots.remove(params.id)))
  })
)
