/**
 * Snapshots: the files of a sandbox at one moment, from which other sandboxes are created.
 *
 * A snapshot keeps files only. Processes continue in the sandbox and are not copied, and variables and metadata are those
 * of each sandbox. Snapshots end with the server.
 *
 * @since 0.1.0
 */
import { Clock, Context, Effect, Layer, Option, Semaphore } from "effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as CopyTree from "../host/copyTree.ts"
import { removeTree } from "../host/removeTree.ts"
import type { BootFiles } from "../isolation/SandboxRuntime.ts"
import * as DataDirectory from "./DataDirectory.ts"
import { alphanumeric } from "./ManagedSandbox.ts"
import { DiskFull, HostFailed, type RegistryError, registryError, TemplateNotFound } from "./RegistryError.ts"
import { SandboxRegistry } from "./SandboxRegistry.ts"
import * as SnapshotName from "./SnapshotName.ts"

/** A snapshot that sandboxes can be created from. */
export interface Snapshot {
  /** Starts with `snap`. */
  readonly id: string
  readonly name: Option.Option<SnapshotName.Name>
  /** The sandbox that it was taken from. */
  readonly sandboxId: string
  /** Milliseconds since the epoch. */
  readonly takenAt: number
}

interface Held extends Snapshot {
  readonly path: string
  /** One permit per sandbox that is being created from it. Holding all of them means that there are none. */
  readonly readers: Semaphore.Semaphore
}

const MAX_READERS = 64
// More copies at the same time only slow each other down.
const MAX_COPIES = 2

export class SnapshotStore extends Context.Service<
  SnapshotStore,
  {
    /**
     * Takes a snapshot of a frozen sandbox. It replaces a snapshot of the same name and keeps its id. Fails with
     * `SandboxNotFound`, `DiskFull` or `HostFailed` and then leaves nothing behind.
     */
    readonly take: (
      sandboxId: string,
      name: Option.Option<SnapshotName.Name>
    ) => Effect.Effect<Snapshot, RegistryError>
    readonly list: Effect.Effect<ReadonlyArray<Snapshot>>
    /** The snapshot that a reference means, if any. */
    readonly find: (reference: string) => Effect.Effect<Option.Option<Snapshot>>
    /** Sandboxes that were created from it stay. Fails with `TemplateNotFound`. */
    readonly remove: (reference: string) => Effect.Effect<void, RegistryError>
    /**
     * Uses the files of a template and keeps them meanwhile. Fails with
     * `TemplateNotFound`.
     */
    readonly reading: <A, E, R>(
      reference: string,
      use: (files: BootFiles) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | RegistryError, R>
    /** Uses a copy of the current files of a sandbox and removes it afterwards. */
    readonly once: <A, E, R>(
      sandboxId: string,
      use: (files: string) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | RegistryError, R>
  }
>()("@remote-agent/e2b-local/SnapshotStore") {}

const randomId = Effect.sync(() => `snap${alphanumeric(16)}`)

const notFound = (reference: string) => registryError("template", new TemplateNotFound({ reference }))

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

  /** Copies the files of a sandbox into a folder, which is removed after a failure. */
  const copyInto = (sandboxId: string, to: string) => {
    const copy = registry.whileFrozen(sandboxId, ({ directory, log, runtime }) =>
      Effect.andThen(
        CopyTree.folders({
          names: runtime.writable,
          from: directory,
          to,
          owners: Option.none(),
          unconfined: !runtime.isolated
        }),
        log.write("snapshot of the files taken, without processes")
      )
    )
    return copies.withPermit(copy).pipe(
      Effect.catchTag("CopyFailed", ({ message, noSpace }) =>
        Effect.fail(
          registryError(
            "snapshot",
            noSpace ? new DiskFull({ detail: message }) : new HostFailed({ detail: message })
          )
        )
      ),
      Effect.onError(() => removeTree(to))
    )
  }

  const discard = (snapshot: Held) => snapshot.readers.withPermits(MAX_READERS)(removeTree(snapshot.path))

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
    if (Option.isNone(snapshot)) return yield* notFound(reference)
    held.delete(snapshot.value.id)
    yield* discard(snapshot.value)
  }, Effect.uninterruptible)

  return SnapshotStore.of({
    take,
    list: Effect.sync(() => [...held.values()]),
    find: (reference) => Effect.sync(() => find(reference)),
    remove,
    reading: <A, E, R>(reference: string, use: (files: BootFiles) => Effect.Effect<A, E, R>) =>
      Effect.suspend((): Effect.Effect<A, E | RegistryError, R> => {
        const snapshot = find(reference)
        if (Option.isSome(snapshot)) {
          return snapshot.value.readers.withPermit(use({ _tag: "CopyOf", folder: snapshot.value.path }))
        }
        return SnapshotName.isBase(reference) ? use({ _tag: "Empty" }) : Effect.fail(notFound(reference))
      }),
    once: (sandboxId, use) =>
      Effect.acquireUseRelease(
        folder,
        (path) =>
          Effect.andThen(
            copyInto(sandboxId, path),
            Effect.suspend(() => use(path))
          ),
        removeTree
      )
  })
})

/** The snapshots of one server, kept in its folder. */
export const layer = Layer.effect(SnapshotStore, make)
