import { Id, StateStoreError } from "@remote-agent/domain"
import { Effect, Predicate } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient } from "effect/sql"
import { access, type FileHandle, mkdir, open, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import * as Migrations from "./Migrations.ts"
import { fromSql } from "./SqlFailure.ts"
import * as SqliteClient from "./SqliteClient.ts"

const failure = (reason: StateStoreError.Reason) =>
  new StateStoreError.StateStoreError({ operation: "open", reason })

const obstacles: Readonly<Record<string, StateStoreError.Obstacle>> = {
  EACCES: "readOnly",
  EPERM: "readOnly",
  EROFS: "readOnly",
  ENOSPC: "full",
  EDQUOT: "full",
  EFBIG: "full",
  EIO: "ioFailed"
}

/**
 * Runs a file operation. Fails with `Unavailable`, which names the file by `path`.
 *
 * **Gotchas**
 *
 * `FileSystem` of Effect cannot be used for the state: it has no `fsync` and maps `EDQUOT` and `EFBIG` to no reason.
 *
 * @category files
 * @since 0.1.0
 */
export const attemptFile = <A>(
  operation: string,
  path: string,
  run: () => Promise<A>
): Effect.Effect<A, StateStoreError.StateStoreError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => {
      const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : ""
      const obstacle = obstacles[code] ?? "unreachable"
      return new StateStoreError.StateStoreError({
        operation,
        reason: new StateStoreError.Unavailable({ store: path, obstacle })
      })
    }
  })

const onDisk = <A>(path: string, run: () => Promise<A>) => attemptFile("open", path, run)

/** Opens a file and closes it after use. A file that does not exist is created, readable by its owner only. */
const withFile = <A>(path: string, flags: string, use: (handle: FileHandle) => Promise<A>) =>
  Effect.acquireUseRelease(
    onDisk(path, () => open(path, flags, 0o600)),
    (handle) => onDisk(path, () => use(handle)),
    (handle) => Effect.orDie(onDisk(path, () => handle.close()))
  )

const magic = "SQLite format 3\0"

/** Checks the size and the header of a file for damage that SQLite would notice late or after a change. */
const looksWhole = async (handle: FileHandle, hasLog: boolean): Promise<boolean> => {
  const [{ size }, { buffer, bytesRead }] = [
    await handle.stat(),
    await handle.read(Buffer.alloc(100), 0, 100, 0)
  ]
  if (size === 0) return true
  if (bytesRead < 100 || buffer.toString("latin1", 0, magic.length) !== magic) return false
  // The page count is valid when the change counters match. A process that was killed during a checkpoint leaves
  // pages in the log that the file does not have yet.
  const counted = buffer.readUInt32BE(24) === buffer.readUInt32BE(92)
  const pageSize = buffer.readUInt16BE(16) === 1 ? 65_536 : buffer.readUInt16BE(16)
  return hasLog || !counted || size >= buffer.readUInt32BE(28) * pageSize
}

const sizeOf = (path: string) =>
  withFile(path, "r", async (handle) => (await handle.stat()).size).pipe(Effect.orElseSucceed(() => 0))

/** Shows that a state was made at a path, so that an empty file there is not taken for a new one. */
const markerOf = (path: string): string => `${path}.made`

const exists = (path: string) =>
  Effect.promise(() =>
    access(path).then(
      () => true,
      () => false
    )
  )

/**
 * Fails with `Damaged` for an empty file where a state was made before. A new state would know none of the sandboxes that
 * the lost one names, and nothing would terminate them. A file that was removed may become a new state.
 */
const refuseEmptied = Effect.fnUntraced(function* (path: string) {
  if (!(yield* exists(path)) || (yield* sizeOf(path)) > 0 || (yield* sizeOf(`${path}-wal`)) > 0) return
  if (yield* exists(markerOf(path))) return yield* failure(new StateStoreError.Damaged({ store: path }))
})

/** Checks a file through a read-only connection, which does not change it. */
const inspect = Effect.fn("SqliteFile.inspect")(function* (path: string) {
  const damaged = failure(new StateStoreError.Damaged({ store: path }))
  const size = yield* sizeOf(path)
  if (size === 0) return
  const hasLog = (yield* sizeOf(`${path}-wal`)) > 0
  if (!(yield* withFile(path, "r", (handle) => looksWhole(handle, hasLog)))) return yield* damaged
  const sql = yield* SqliteClient.make({ path, readOnly: true })
  const holds = yield* Effect.provideService(Migrations.content, SqlClient.SqlClient, sql)
  if (holds._tag === "Foreign") return yield* damaged
  yield* Migrations.refuseNewer(path, holds)
}, Effect.scoped)

/**
 * Writes a copy beside the file, readable by its owner only, and syncs it to disk. The copy is dropped when another
 * process has changed the schema meanwhile: that process has written one.
 */
const backUp = Effect.fn("SqliteFile.backUp")(function* (path: string, schema: number) {
  const sql = yield* SqlClient.SqlClient
  const unfinished = `${path}.${yield* Id.nextToken}.tmp`
  yield* Effect.gen(function* () {
    yield* withFile(unfinished, "wx", (handle) => handle.sync())
    yield* sql`VACUUM INTO ${unfinished}`
    yield* withFile(unfinished, "r+", (handle) => handle.sync())
    const holds = yield* Migrations.content
    if (holds._tag === "Ours" && holds.schema === schema) {
      yield* onDisk(path, () => rename(unfinished, `${path}.schema-${schema}.backup`))
    }
  }).pipe(
    Effect.ensuring(
      Effect.ignore(
        onDisk(path, () => rm(unfinished, { force: true })),
        { log: true }
      )
    )
  )
})

/**
 * Opens the SQLite file of a state store and migrates it. The client closes with the scope.
 *
 * **Details**
 *
 * A missing file is created with mode 0600, a missing folder with 0700. Before an older schema is migrated, a copy is
 * written to `<file>.schema-<version>.backup`.
 *
 * Fails with `Damaged` when the file is damaged or is not a state store, and with `NewerSchema` when a newer version
 * wrote it; the file is left unchanged. Fails with `Unavailable` when the file or its folder cannot be used.
 *
 * @category constructors
 * @since 0.1.0
 */
export const openFile = Effect.fn("SqliteFile.open")(function* (path: string) {
  return yield* Effect.gen(function* () {
    yield* onDisk(path, () => mkdir(dirname(path), { recursive: true, mode: 0o700 }))
    yield* refuseEmptied(path)
    yield* withFile(path, "a", () => Promise.resolve())
    yield* inspect(path)
    const sql = yield* SqliteClient.make({ path })
    yield* Migrations.migrate(path, (schema) => backUp(path, schema)).pipe(
      Effect.provideService(SqlClient.SqlClient, sql)
    )
    // A folder that may not be written may still be read.
    yield* Effect.ignore(withFile(markerOf(path), "a", () => Promise.resolve()))
    return sql
  }).pipe(fromSql(path, "open"), Effect.provide(Reactivity.layer))
})
