/**
 * Snapshots: the files of a sandbox at one moment, from which others are made.
 *
 * Files are all that is kept. What ran in the sandbox runs on there and nowhere else, and its variables and metadata
 * are those of each sandbox alone. Snapshots end with the server.
 *
 * @since 0.1.0
 */
import { Clock, Context, Effect, Layer, Option, Semaphore } from "effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { ApiError } from "../api/ApiError.ts"
import { alphanumeric } from "./Sandbox.ts"
import { SandboxRegistry } from "./SandboxRegistry.ts"
import * as DataDirectory from "./DataDirectory.ts"
import * as SnapshotName from "./SnapshotName.ts"
import * as OrphanCleanup from "./OrphanCleanup.ts"
import * as TreeCopy from "../host/copyTree.ts"

/** A snapshot that sandboxes can be made from. */
export interface Snapshot {
  /** `snap…` */
  readonly id: string
  readonly name: Option.Option<SnapshotName.Name>
  /** Which sandbox it was taken of. */
  readonly sandboxId: string
  /** Milliseconds since the epoch. */
  readonly takenAt: number
}

interface Held extends Snapshot {
  readonly path: string
  /** Sandboxes that are being made from it; whoever takes all permits knows that there are none. */
  readonly readers: Semaphore.Semaphore
}

const MAX_READERS = 64
// More at once only makes each of them slower.
const MAX_COPIES = 2

export class SnapshotStore extends Context.Service<
  SnapshotStore,
  {
    /**
     * Takes a snapshot while the sandbox stands still. One of the same name is replaced, and keeps its id. Fails with
     * 404 when there is no such sandbox and with 507 when the disk is full; then nothing is left of it.
     */
    readonly take: (
      sandboxId: string,
      name: Option.Option<SnapshotName.Name>
    ) => Effect.Effect<Snapshot, ApiError>
    readonly list: Effect.Effect<ReadonlyArray<Snapshot>>
    /** Sandboxes that were made from it stay. Fails with 404 when there is none. */
    readonly remove: (reference: string) => Effect.Effect<void, ApiError>
    /**
     * Gives the folder with the files that a template stands for, and keeps it there; none for the base template. Fails
     * with 404 for another that is no snapshot.
     */
    readonly reading: <A, E, R>(
      reference: string,
      use: (files: Option.Option<string>) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | ApiError, R>
    /** Gives the folder with the files of a sandbox as they are now, and removes it afterwards. */
    readonly once: <A, E, R>(
      sandboxId: string,
      use: (files: string) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | ApiError, R>
  }
>()("@remote-agent/e2b-local/SnapshotStore") {}

const randomId = Effect.sync(() => `snap${alphanumeric(16)}`)

const make = Effect.gen(function* () {
  const registry = yield* SandboxRegistry
  const { path: parent } = yield* DataDirectory.DataDirectory
  const copies = yield* Semaphore.make(MAX_COPIES)
  const held = new Map<string, Held>()

  const find = (reference: string) => SnapshotName.find(held.values(), reference)

  const folder = Effect.gen(function* () {
    const path = Path.join(parent, "snapshots", Crypto.randomBytes(8).toString("hex"))
    yield* Effect.promise(() => Fs.mkdir(path, { recursive: true, mode: 0o700 }))
    return path
  })

  /** Copies the files of a sandbox into a folder, which is removed when that does not succeed. */
  const copyInto = (sandboxId: string, to: string) => {
    const copy = registry.whileFrozen(sandboxId, ({ directory, log, machine }) =>
      Effect.andThen(
        TreeCopy.folders({ names: machine.writable, from: directory, to, owner: Option.none() }),
        log.write("snapshot of the files taken, without processes")
      )
    )
    return copies.withPermit(copy).pipe(
      Effect.catchTag("FileError", ({ message, reason }) =>
        Effect.fail(new ApiError({ status: reason === "NoSpace" ? 507 : 500, message }))
      ),
      Effect.onError(() => OrphanCleanup.removeTree(to))
    )
  }

  const discard = (snapshot: Held) =>
    snapshot.readers.withPermits(MAX_READERS)(OrphanCleanup.removeTree(snapshot.path))

  const register = Effect.fnUntraced(function* (
    sandboxId: string,
    name: Option.Option<SnapshotName.Name>,
    path: string
  ) {
    const former = Option.flatMap(name, (given) => find(SnapshotName.format(given)))
    const snapshot: Held = {
      id: Option.isSome(former) ? former.value.id : yield* randomId,
      name,
      sandboxId,
      takenAt: yield* Clock.currentTimeMillis,
      path,
      readers: yield* Semaphore.make(MAX_READERS)
    }
    held.set(snapshot.id, snapshot)
    if (Option.isSome(former)) yield* discard(former.value)
    return snapshot
  })

  const take = Effect.fn("Snapshots.take")((sandboxId: string, name: Option.Option<SnapshotName.Name>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(folder, (path) =>
        Effect.andThen(
          restore(copyInto(sandboxId, path)),
          Effect.suspend(() => register(sandboxId, name, path))
        )
      )
    )
  )

  const remove = Effect.fn("Snapshots.remove")(function* (reference: string) {
    const snapshot = find(reference)
    if (Option.isNone(snapshot)) return yield* SnapshotName.notFound(reference)
    held.delete(snapshot.value.id)
    yield* discard(snapshot.value)
  }, Effect.uninterruptible)

  return SnapshotStore.of({
    take,
    list: Effect.sync(() => [...held.values()]),
    remove,
    reading: <A, E, R>(reference: string, use: (files: Option.Option<string>) => Effect.Effect<A, E, R>) =>
      Effect.suspend((): Effect.Effect<A, E | ApiError, R> => {
        const snapshot = find(reference)
        if (Option.isSome(snapshot)) {
          return snapshot.value.readers.withPermit(use(Option.some(snapshot.value.path)))
        }
        return SnapshotName.isBase(reference)
          ? use(Option.none())
          : Effect.fail(SnapshotName.notFound(reference))
      }),
    once: (sandboxId, use) =>
      Effect.acquireUseRelease(
        folder,
        (path) =>
          Effect.andThen(
            copyInto(sandboxId, path),
            Effect.suspend(() => use(path))
          ),
        OrphanCleanup.removeTree
      )
  })
})

/** The snapshots of one server, in its folder. */
export const layer = Layer.effect(SnapshotStore, make)
