/** Exclusive access to a mirror, among the fibers of this process and among processes. */
import { GitError } from "@remote-agent/domain"
import { Effect, FileSystem, Path, RcMap, Schedule, Semaphore } from "effect"
// The kernel releases a lock of SQLite when its process dies. Node.js has no call for a file lock of its own.
import { DatabaseSync } from "node:sqlite"

const SQLITE_BUSY = 5

/** Locks a file, or returns nothing when another process holds the lock. Closing the result releases it. */
export const tryLock = (file: string): DatabaseSync | undefined => {
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    database.exec("BEGIN EXCLUSIVE")
    return database
  } catch (cause) {
    database.close()
    if (typeof cause === "object" && cause !== null && "errcode" in cause && cause.errcode === SQLITE_BUSY)
      return undefined
    throw cause
  }
}

const lookup: (folder: string) => Effect.Effect<Semaphore.Semaphore> = () => Semaphore.make(1)

/** Locks folders, each until the scope closes. */
export const make = Effect.fnUntraced(function* (directory: string) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  // The lock of a file does not exclude other fibers of the process that holds it.
  const fibers = yield* RcMap.make({ lookup })

  return Effect.fnUntraced(function* (operation: GitError.Operation, folder: string) {
    const failed = () => GitError.fail(operation, new GitError.CacheFailed({ path: directory }))
    const fiber = yield* RcMap.get(fibers, folder)
    yield* fiber.takeScoped(1)
    yield* Effect.mapError(fs.makeDirectory(folder, { recursive: true, mode: 0o700 }), failed)
    const attempt = Effect.try({ try: () => tryLock(path.join(folder, "lock")), catch: failed }).pipe(
      Effect.filterOrFail(
        (lock) => lock !== undefined,
        () => "held" as const
      )
    )
    yield* Effect.acquireRelease(attempt, (lock) => Effect.sync(() => lock.close())).pipe(
      Effect.retry({ while: (error) => error === "held", schedule: Schedule.spaced("20 millis") }),
      Effect.catchIf(
        (error) => error === "held",
        () => Effect.die("the schedule has no end")
      )
    )
  })
})
