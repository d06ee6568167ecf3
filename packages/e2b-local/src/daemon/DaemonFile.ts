/**
 * The files in a data folder through which its daemon is found.
 *
 * Uses `node:fs`, because `FileSystem` has no `lstat` and cannot write a file that must not exist yet.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { DaemonError, FileUnusable, ServerFailed } from "./DaemonError.ts"
import * as DataDirectory from "../sandboxes/DataDirectory.ts"
import * as ProcessOwner from "../host/ProcessOwner.ts"

/** The forms of isolation. */
export const Kind = Schema.Literals(["bubblewrap", "namespaces", "none"])
/** @see {@link Kind} */
export type Kind = typeof Kind.Type

const Loopback = Schema.String.check(Schema.isPattern(/^http:\/\/127\.0\.0\.1:\d{1,5}$/))

/**
 * The content of the file: where the daemon is and how it runs.
 *
 * @category models
 * @since 0.1.0
 */
export class Entry extends Schema.Class<Entry>("@remote-agent/e2b-local/DaemonFile/Entry")({
  owner: ProcessOwner.Owner,
  /** Version of the program that serves. */
  version: Schema.String,
  apiUrl: Loopback,
  sandboxUrl: Loopback,
  apiKey: Schema.RedactedFromValue(Schema.NonEmptyString),
  isolation: Kind,
  /** Whether isolation `none` was requested. Otherwise `none` means that no form works here. */
  waived: Schema.Boolean,
  /** Whether it runs detached and stops when it is idle. */
  background: Schema.Boolean,
  /** Milliseconds since the epoch. */
  startedAt: Schema.Int
}) {}

/** The files of a data folder. */
export const paths = (folder: string) => ({
  entry: Path.join(folder, "local.json"),
  /** Held by the process that serves the folder. */
  lock: Path.join(folder, "local.lock"),
  /** Held by the client that starts a daemon, so that several clients start only one. */
  startLock: Path.join(folder, "local.start.lock"),
  /** Exists once a server of the folder has isolated its sandboxes. */
  isolated: Path.join(folder, "local.isolated"),
  log: Path.join(folder, "local.log"),
  sandboxes: Path.join(folder, "sandboxes")
})

/** The result of reading the file. */
export type Read =
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Damaged"; readonly path: string; readonly detail: string }
  | { readonly _tag: "Read"; readonly entry: Entry }

const codec = Schema.fromJsonString(Entry)
const decode = Schema.decodeEffect(codec)
const encode = Schema.encodeEffect(codec)

const detailOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const unusable = (operation: DaemonError["operation"], folder: string, path: string) => (cause: unknown) =>
  new DaemonError({ operation, folder, reason: new FileUnusable({ path, detail: detailOf(cause) }) })

/**
 * The real path of the folder, which is made for its user alone when it is missing. Fails with `ServerFailed` when other
 * users can write in it.
 */
export const ensureFolder = Effect.fnUntraced(function* (
  operation: DaemonError["operation"],
  folder: string
) {
  const real = yield* Effect.tryPromise({
    try: async () => {
      await Fs.mkdir(folder, { recursive: true, mode: 0o700 })
      return await Fs.realpath(folder)
    },
    catch: unusable(operation, folder, folder)
  })
  yield* Effect.mapError(
    DataDirectory.ensure(real),
    (cause) => new DaemonError({ operation, folder, reason: new ServerFailed({ cause }) })
  )
  return real
})

/** Reads the file. A file that another user could have written counts as damaged: it could point to any server. */
export const read = Effect.fn("DaemonFile.read")(function* (folder: string): Effect.fn.Return<Read> {
  const path = paths(folder).entry
  const damaged = (detail: string): Read => ({ _tag: "Damaged", path, detail })
  const found = yield* Effect.result(
    Effect.tryPromise(async () => ({ stat: await Fs.lstat(path), text: await Fs.readFile(path, "utf8") }))
  )
  if (found._tag === "Failure") {
    const { cause } = found.failure
    return cause instanceof Error && "code" in cause && cause.code === "ENOENT"
      ? { _tag: "Missing" }
      : damaged(`it cannot be read: ${detailOf(cause)}`)
  }
  const { stat, text } = found.success
  const euid = process.geteuid?.()
  if (!stat.isFile()) return damaged("it is not a plain file")
  if (euid !== undefined && stat.uid !== euid) return damaged("it belongs to another user")
  if ((stat.mode & 0o022) !== 0) return damaged("other users may write to it")
  return Option.match(yield* Effect.option(decode(text)), {
    onNone: () => damaged("it does not say where a server is"),
    onSome: (entry): Read => ({ _tag: "Read", entry })
  })
})

/** Writes the file in one step, readable by its user alone. */
export const write = Effect.fn("DaemonFile.write")(function* (folder: string, entry: Entry) {
  const path = paths(folder).entry
  const text = yield* Effect.orDie(encode(entry))
  const beside = `${path}.${entry.owner.pid}`
  yield* Effect.tryPromise({
    try: async () => {
      await Fs.rm(beside, { force: true })
      await Fs.writeFile(beside, `${text}\n`, { mode: 0o600, flag: "wx" })
      await Fs.rename(beside, path)
    },
    catch: unusable("serve", folder, path)
  })
})

/** Whether the file has exactly this content. */
export const says = (folder: string, entry: Entry): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const found = yield* read(folder)
    if (found._tag !== "Read") return false
    return (yield* Effect.orDie(encode(found.entry))) === (yield* Effect.orDie(encode(entry)))
  })

/** Inode of the lock, none when it was removed. The file is not opened, because closing it would release the lock. */
export const lockOf = (folder: string): Effect.Effect<Option.Option<number>> =>
  Effect.option(Effect.tryPromise(async () => (await Fs.stat(paths(folder).lock)).ino))

/**
 * Writes the file again when it was removed or damaged: clients could not find the daemon, and no other daemon could take
 * its place. Does nothing when the lock is no longer the one that the daemon holds, because the folder belongs to another
 * daemon then. Returns whether it was written.
 */
export const restore = Effect.fn("DaemonFile.restore")(function* (
  folder: string,
  entry: Entry,
  lock: Option.Option<number>
) {
  if (yield* says(folder, entry)) return false
  const now = yield* lockOf(folder)
  if (Option.getOrUndefined(now) !== Option.getOrUndefined(lock) || Option.isNone(now)) return false
  // An interrupted promise would still write the file, possibly after the daemon has removed it.
  yield* Effect.uninterruptible(write(folder, entry))
  return true
})

/** Removes the file unless it belongs to another daemon. */
export const remove = Effect.fn("DaemonFile.remove")(function* (folder: string, entry: Entry) {
  if (!(yield* says(folder, entry))) return
  const path = paths(folder).entry
  yield* Effect.tryPromise(() => Fs.rm(path, { force: true })).pipe(
    Effect.catch((error) => Effect.logWarning(`The file ${path} could not be removed`, error))
  )
})
