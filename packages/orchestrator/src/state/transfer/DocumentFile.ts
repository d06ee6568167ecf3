import { Id, StateStoreError } from "@remote-agent/domain"
import { Effect, Stream } from "effect"
import { open, readFile, rename, rm } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { attemptFile as onDisk } from "../sql/database/SqliteFile.ts"

/** The number of text parts that are written together. */
const writeSize = 200

/**
 * The path of a file in the same folder.
 *
 * @category files
 * @since 0.1.0
 */
export const beside = (file: string, name: string): string => join(dirname(file), name)

const sync = (path: string) =>
  Effect.acquireUseRelease(
    onDisk("export", path, () => open(path, "r")),
    (handle) => onDisk("export", path, () => handle.sync()),
    (handle) => Effect.orDie(onDisk("export", path, () => handle.close()))
  )

/**
 * Replaces a text file atomically and syncs it to disk. Only its owner may read it. Fails with `Unavailable`.
 *
 * @category files
 * @since 0.1.0
 */
export const write = Effect.fn("DocumentFile.write")(function* <E>(
  file: string,
  text: Stream.Stream<string, E>
) {
  const unfinished = join(dirname(file), `.${basename(file)}.${yield* Id.nextToken}.tmp`)
  yield* Effect.acquireUseRelease(
    onDisk("export", file, () => open(unfinished, "wx", 0o600)),
    (handle) =>
      Stream.runForEach(Stream.grouped(text, writeSize), (parts) =>
        onDisk("export", file, () => handle.appendFile(parts.join("")))
      ).pipe(Effect.andThen(onDisk("export", file, () => handle.sync()))),
    (handle) => Effect.orDie(onDisk("export", file, () => handle.close()))
  ).pipe(
    Effect.andThen(onDisk("export", file, () => rename(unfinished, file))),
    Effect.onError(() =>
      Effect.ignore(
        onDisk("export", file, () => rm(unfinished, { force: true })),
        { log: true }
      )
    )
  )
  yield* sync(dirname(file))
})

/**
 * Reads a JSON file. Returns undefined when there is no such file. Fails with `Unavailable` or `InvalidDocument`.
 *
 * @category files
 * @since 0.1.0
 */
export const readJson = Effect.fn("DocumentFile.readJson")(function* (
  file: string
): Effect.fn.Return<unknown, StateStoreError.StateStoreError> {
  const bytes = yield* onDisk("import", file, async () => {
    try {
      return await readFile(file)
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined
      throw cause
    }
  })
  if (bytes === undefined) return undefined
  return yield* Effect.try({
    try: (): unknown => JSON.parse(bytes.toString("utf8")),
    catch: () =>
      new StateStoreError.StateStoreError({
        operation: "import",
        reason: new StateStoreError.InvalidDocument({
          file,
          problems: [new StateStoreError.DocumentProblem({ path: "it", problem: "is not JSON" })]
        })
      })
  })
})
