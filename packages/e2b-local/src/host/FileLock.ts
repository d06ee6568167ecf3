/**
 * A lock between processes that the kernel releases when its holder dies.
 *
 * Node.js has no call for such a lock. Its SQLite module locks its file for the duration of a transaction.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema } from "effect"
import type { Scope } from "effect"
import type { DatabaseSync } from "node:sqlite"

/** The file cannot be locked: its folder is missing or not accessible, or the file has other content. */
export class LockUnusable extends Schema.TaggedError<LockUnusable>()("LockUnusable", {
  path: Schema.String,
  detail: Schema.String
}) {}

const BUSY = 5

const isBusy = (cause: unknown): boolean =>
  cause instanceof Error && "errcode" in cause && (Number(cause.errcode) & 0xff) === BUSY

const open = async (path: string): Promise<Option.Option<DatabaseSync>> => {
  const { DatabaseSync } = await import("node:sqlite")
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    return Option.some(database)
  } catch (cause) {
    database.close()
    if (isBusy(cause)) return Option.none()
    throw cause
  }
}

/**
 * Takes the lock of a file until the scope closes or the process dies. Returns whether it was free, without waiting.
 *
 * **Details**
 *
 * The file is made when it is missing. Two holders within one process exclude each other too.
 *
 * **Gotchas**
 *
 * The process must not open the file in another way while it is locked: closing it would release the lock.
 */
export const tryAcquire = (path: string): Effect.Effect<boolean, LockUnusable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () => open(path),
      catch: (cause) =>
        new LockUnusable({ path, detail: cause instanceof Error ? cause.message : String(cause) })
    }),
    Option.match({ onNone: () => Effect.void, onSome: (held) => Effect.sync(() => held.close()) })
  ).pipe(Effect.map(Option.isSome))
