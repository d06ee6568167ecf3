/**
 * The folder of one running server, and the removal of those whose server is dead.
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer, Schema } from "effect"
import type { Scope } from "effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { DirectoryUnusable, E2bServerError } from "../E2bServerError.ts"
import * as OrphanCleanup from "./OrphanCleanup.ts"

export class DataDirectory extends Context.Service<
  DataDirectory,
  {
    /** Of this server alone. */
    readonly path: string
    /** Makes the folder of a sandbox, which is removed with all that is in it when the scope closes. */
    readonly sandbox: (id: string) => Effect.Effect<string, E2bServerError, Scope.Scope>
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

/** Makes a folder of this user alone; refuses one that another user could have put there or can write to. */
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

const encodeOwner = Schema.encodeEffect(Schema.fromJsonString(OrphanCleanup.Owner))

const make = Effect.fnUntraced(function* (directory: string) {
  const parent = Path.resolve(directory)
  yield* ensure(parent)
  yield* OrphanCleanup.sweep(parent)
  const owner = yield* OrphanCleanup.self
  const path = yield* Effect.acquireRelease(
    Effect.gen(function* () {
      const suffix = yield* Effect.sync(() => Crypto.randomBytes(6).toString("hex"))
      const folder = Path.join(parent, `${owner.pid}-${suffix}`)
      yield* attempt(parent, () => Fs.mkdir(folder, { mode: 0o700 }))
      const json = yield* Effect.orDie(encodeOwner(owner))
      yield* attempt(parent, () => Fs.writeFile(Path.join(folder, "owner.json"), json, { mode: 0o600 }))
      return folder
    }),
    OrphanCleanup.removeTree
  )
  return DataDirectory.of({
    path,
    sandbox: (id) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const folder = Path.join(path, id)
          return Effect.as(
            attempt(folder, () => Fs.mkdir(folder, { mode: 0o755 })),
            folder
          )
        }),
        OrphanCleanup.removeTree
      )
  })
})

/** Sweeps the directory and takes a folder in it. Fails with `DirectoryUnusable`. */
export const layer = (directory: string | undefined) =>
  Layer.effect(
    DataDirectory,
    Effect.flatMap(directory === undefined ? defaultDirectory : Effect.succeed(directory), make)
  )
