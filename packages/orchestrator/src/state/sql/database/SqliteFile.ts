import { Id, StateStoreError } from "@remote-agent/domain"
import { Effect } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient } from "effect/sql"
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import * as Disk from "./Disk.ts"
import * as Migrations from "./Migrations.ts"
import { fromSql } from "./SqlFailure.ts"
import * as SqliteClient from "./SqliteClient.ts"

const failure = (reason: StateStoreError.Reason) =>
  new StateStoreError.StateStoreError({ operation: "open", reason })

const onDisk = <A>(path: string, run: () => Promise<A>) => Disk.attempt("open", path, run)

/** Uses a file that is opened, and created for its owner alone when it is not there. */
const withFile = <A>(path: string, flags: string, use: (handle: FileHandle) => Promise<A>) =>
  Effect.acquireUseRelease(
    onDisk(path, () => open(path, flags, 0o600)),
    (handle) => onDisk(path, () => use(handle)),
    (handle) => Effect.orDie(onDisk(path, () => handle.close()))
  )

const magic = "SQLite format 3\0"

/** What can be told from the size and the first 100 bytes: where SQLite would notice late, or after a change. */
const looksWhole = async (handle: FileHandle, hasLog: boolean): Promise<boolean> => {
  const [{ size }, { buffer, bytesRead }] = [
    await handle.stat(),
    await handle.read(Buffer.alloc(100), 0, 100, 0)
  ]
  if (size === 0) return true
  if (bytesRead < 100 || buffer.toString("latin1", 0, magic.length) !== magic) return false
  // The number of pages is current when it was written together with the last change. The pages of a file whose
  // process was killed while it took them over from the log are still in the log.
  const counted = buffer.readUInt32BE(24) === buffer.readUInt32BE(92)
  const pageSize = buffer.readUInt16BE(16) === 1 ? 65_536 : buffer.readUInt16BE(16)
  return hasLog || !counted || size >= buffer.readUInt32BE(28) * pageSize
}

const sizeOf = (path: string) =>
  withFile(path, "r", async (handle) => (await handle.stat()).size).pipe(Effect.orElseSucceed(() => 0))

/** Looks at a file without changing it. */
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
 * Writes a copy beside the file, for its owner alone: whole or not at all, and on the disk before anything else
 * happens. The copy of a schema that has changed meanwhile is dropped: whoever changed it has made one.
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
 * Opens the SQLite file of a state store, creates it when there is none, and brings an older schema up to date after
 * writing a copy beside it, `<file>.schema-<version>.backup`. The client closes with the scope.
 *
 * Only the owner may read what is created: the file has mode 0600, and a folder that was not there 0700.
 *
 * Fails with `Damaged` when the file is damaged or not ours and with `NewerSchema` when a newer version wrote it;
 * it is left as it is. Fails with `Unavailable` when the file or its folder cannot be used.
 */
export const openFile = Effect.fn("SqliteFile.open")(function* (path: string) {
  return yield* Effect.gen(function* () {
    yield* onDisk(path, () => mkdir(dirname(path), { recursive: true, mode: 0o700 }))
    yield* withFile(path, "a", () => Promise.resolve())
    yield* inspect(path)
    const sql = yield* SqliteClient.make({ path })
    yield* Effect.gen(function* () {
      const holds = yield* Migrations.content
      if (holds._tag === "Ours" && holds.schema < Migrations.latest) yield* backUp(path, holds.schema)
      yield* Migrations.migrate(path)
    }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
    return sql
  }).pipe(fromSql(path, "open"), Effect.provide(Reactivity.layer))
})
