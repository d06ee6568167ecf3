/**
 * The folder of one running server. Making it removes the folders of dead servers.
 *
 * Uses `node:fs`, because `FileSystem` has no `lstat` and no owner of a file to check.
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { DirectoryUnusable, E2bServerError } from "../E2bServerError.ts"
import * as OrphanCleanup from "./OrphanCleanup.ts"
import * as ProcessOwner from "../host/ProcessOwner.ts"
import { removeTree } from "../host/removeTree.ts"

export class DataDirectory extends Context.Service<
  DataDirectory,
  {
    /** The folder of this server. */
    readonly path: string
    /** Makes the folder of a sandbox. It is removed with its content when the scope closes. */
    readonly sandbox: (id: string) => Effect.Effect<string, E2bServerError, Scope.Scope>
    /** Completes when the folder was removed or replaced by another process. */
    readonly lost: Effect.Effect<void>
  }
>()("@remote-agent/e2b-local/DataDirectory") {}

/** The default of the option `directory`: one per user. */
const defaultDirectory = Effect.sync(() =>
  Path.join(Os.tmpdir(), `e2b-local-${process.geteuid?.() ?? "user"}`)
)

const unusable = (directory: string, detail: string) =>
  new E2bServerError({ operation: "directory", reason: new DirectoryUnusable({ directory, detail }) })

const attempt = <A>(directory: string, promise: () => Promise<A>) =>
  Effect.tryPromise({
    try: promise,
    catch: (cause) => unusable(directory, cause instanceof Error ? cause.message : String(cause))
  })

/** Makes a folder for this user alone. Refuses a folder that another user owns or can write to. */
export const ensure = Effect.fnUntraced(function* (directory: string) {
  yield* attempt(directory, () => Fs.mkdir(directory, { recursive: true, mode: 0o700 }))
  const found = yield* attempt(directory, () => Fs.lstat(directory))
  if (found.isSymbolicLink()) return yield* unusable(directory, "it is a symbolic link")
  if (!found.isDirectory()) return yield* unusable(directory, "it is not a folder")
  const euid = process.geteuid?.()
  if (euid !== undefined && found.uid !== euid)
    return yield* unusable(directory, "it belongs to another user")
  if ((found.mode & 0o022) !== 0) return yield* unusable(directory, "other users may write in it")
})

const encodeOwner = Schema.encodeEffect(Schema.fromJsonString(ProcessOwner.Owner))

const make = Effect.fnUntraced(function* (directory: string) {
  const parent = Path.resolve(directory)
  yield* ensure(parent)
  yield* OrphanCleanup.sweep(parent)
  const owner = yield* ProcessOwner.self
  const path = yield* Effect.acquireRelease(
    Effect.gen(function* () {
      const suffix = yield* Effect.sync(() => Crypto.randomBytes(6).toString("hex"))
      const folder = Path.join(parent, `${owner.pid}-${suffix}`)
      yield* attempt(parent, () => Fs.mkdir(folder, { mode: 0o700 }))
      const json = yield* Effect.orDie(encodeOwner(owner))
      yield* attempt(parent, () => Fs.writeFile(Path.join(folder, "owner.json"), json, { mode: 0o600 }))
      return folder
    }),
    removeTree
  )
  const inode = (yield* attempt(parent, () => Fs.lstat(path))).ino
  const isLost = Effect.match(
    Effect.tryPromise(() => Fs.lstat(path)),
    {
      // A failure other than a missing folder says nothing about it.
      onFailure: ({ cause }) => cause instanceof Error && "code" in cause && cause.code === "ENOENT",
      onSuccess: (found) => found.ino !== inode
    }
  )
  return DataDirectory.of({
    path,
    lost: Effect.asVoid(
      Effect.repeat(isLost, { until: (lost) => lost, schedule: Schedule.spaced("1 second") })
    ),
    sandbox: (id) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const folder = Path.join(path, id)
          return Effect.as(
            attempt(folder, () => Fs.mkdir(folder, { mode: 0o755 })),
            folder
          )
        }),
        removeTree
      )
  })
})

/** Removes the folders of dead servers in the directory and makes one for this server. Fails with `DirectoryUnusable`. */
export const layer = (directory: string | undefined) =>
  Layer.effect(
    DataDirectory,
    Effect.flatMap(directory === undefined ? defaultDirectory : Effect.succeed(directory), make)
  )
