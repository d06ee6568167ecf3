/**
 * Snapshots and forks in the REST API of E2B.
 *
 * @since 0.1.0
 */
import { Effect, Option, Result, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { ApiError } from "./ApiError.ts"
import * as Body from "./requestBody.ts"
import * as SandboxListing from "./SandboxListing.ts"
import { SandboxRegistry } from "../sandboxes/SandboxRegistry.ts"
import * as SnapshotName from "../sandboxes/SnapshotName.ts"
import { type Snapshot, SnapshotStore } from "../sandboxes/SnapshotStore.ts"

const MAX_FORKS = 64
// What E2B gives a fork that says nothing.
const FORK_SECONDS = 15

const TakeRequest = Schema.Struct({ name: Schema.optional(Schema.String) })
const ForkRequest = Schema.Struct({
  count: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: MAX_FORKS })))),
  timeout: Schema.optional(Body.Timeout)
})
const Query = Schema.Struct({
  sandboxID: Schema.optionalKey(Schema.String),
  name: Schema.optionalKey(Schema.String),
  limit: Schema.optionalKey(SandboxListing.Limit),
  nextToken: Schema.optionalKey(Schema.String)
})

const view = (snapshot: Snapshot) => ({
  snapshotID: SnapshotName.referenceOf(snapshot),
  names: Option.toArray(Option.map(snapshot.name, SnapshotName.format)),
  // Not of the protocol: clients that look see that no process is in it.
  memory: false
})

/** Takes a snapshot of a sandbox. */
export const take = (id: string) =>
  Effect.gen(function* () {
    const snapshots = yield* SnapshotStore
    const { name = "" } = yield* Body.decode(TakeRequest)
    const parsed = SnapshotName.parse(name)
    if (name !== "" && Option.isNone(parsed)) {
      return yield* Body.bad(`${JSON.stringify(name)} is no name for a snapshot`)
    }
    return HttpServerResponse.jsonUnsafe(view(yield* snapshots.take(id, parsed)), { status: 201 })
  })

/** Lists snapshots, newest first. */
export const list = Effect.gen(function* () {
  const snapshots = yield* SnapshotStore
  const { limit = 100, name, nextToken, sandboxID } = yield* Body.query(Query)
  const after = Option.flatMap(Option.fromUndefinedOr(nextToken), SandboxListing.decodeToken)
  if (nextToken !== undefined && Option.isNone(after)) return yield* Body.bad("nextToken is not valid")
  const all = yield* snapshots.list
  const page = SandboxListing.cut(
    all.filter(
      (snapshot) =>
        (sandboxID === undefined || snapshot.sandboxId === sandboxID) &&
        (name === undefined || Option.isSome(SnapshotName.find([snapshot], name)))
    ),
    { position: ({ id, takenAt }) => ({ id, startedAt: takenAt }), order: "desc", after, limit }
  )
  return SandboxListing.response(page, view)
})

/** Removes a snapshot; templates of E2B there are none. */
export const remove = (reference: string) =>
  Effect.gen(function* () {
    const snapshots = yield* SnapshotStore
    yield* snapshots.remove(reference)
    return HttpServerResponse.empty({ status: 204 })
  })

/**
 * Makes sandboxes with the files, the variables and the metadata of another. Unlike at E2B nothing runs in them, for
 * memory is not kept.
 */
export const fork = (id: string) =>
  Effect.gen(function* () {
    const registry = yield* SandboxRegistry
    const snapshots = yield* SnapshotStore
    const domain = yield* Body.domain
    const { count = 1, timeout = FORK_SECONDS } = yield* Body.decode(ForkRequest)
    const { spec } = yield* registry.get(id)
    const results = yield* snapshots.once(id, (files) =>
      Effect.forEach(
        Array.from({ length: count }),
        () => Effect.result(registry.create({ ...spec, timeoutSeconds: timeout }, Option.some(files))),
        { concurrency: 8 }
      )
    )
    return HttpServerResponse.jsonUnsafe(
      results.map(
        Result.match({
          onSuccess: (sandbox) => ({ sandbox: SandboxListing.connection(sandbox, domain) }),
          onFailure: (error: ApiError) => ({ error: { code: error.status, message: error.message } })
        })
      ),
      { status: 201 }
    )
  })
