import { Id, StateStoreError } from "@remote-agent/domain"
import { Effect, Stream } from "effect"
import { constants } from "node:fs"
import { type FileHandle, open, rename, rm } from "node:fs/promises"
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

/** The largest document that is read, in bytes. It is held in memory. */
const largest = 1024 ** 3

const invalid = (file: string, problem: string) =>
  new StateStoreError.StateStoreError({
    operation: "import",
    reason: new StateStoreError.InvalidDocument({
      file,
      problems: [new StateStoreError.DocumentProblem({ path: "it", problem })]
    })
  })

type Content =
  | { readonly _tag: "Read"; readonly bytes: Buffer }
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Refused"; readonly problem: string }

/** Reads a regular file up to a size. A device may have no end, and a FIFO no writer. */
const readRegular = async (file: string): Promise<Content> => {
  let handle: FileHandle
  try {
    // Without O_NONBLOCK, opening a FIFO waits for its writer.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return { _tag: "Missing" }
    throw cause
  }
  try {
    const found = await handle.stat()
    if (!found.isFile())
      return { _tag: "Refused", problem: "is not a regular file; use - for standard input" }
    if (found.size > largest) return { _tag: "Refused", problem: `is larger than ${largest} bytes` }
    const content = Buffer.alloc(found.size)
    let length = 0
    while (length < content.length) {
      // oxlint-disable-next-line no-await-in-loop -- each read continues the one before
      const { bytesRead } = await handle.read(content, length, content.length - length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return { _tag: "Read", bytes: content.subarray(0, length) }
  } finally {
    await handle.close()
  }
}

/**
 * Reads a JSON file. Returns undefined when there is no such file. Fails with `Unavailable` or `InvalidDocument`.
 *
 * @category files
 * @since 0.1.0
 */
export const readJson = Effect.fn("DocumentFile.readJson")(function* (
  file: string
): Effect.fn.Return<unknown, StateStoreError.StateStoreError> {
  const read = yield* onDisk("import", file, () => readRegular(file))
  if (read._tag === "Missing") return undefined
  if (read._tag === "Refused") return yield* invalid(file, read.problem)
  const { bytes } = read
  return yield* Effect.try({
    try: (): unknown => JSON.parse(bytes.toString("utf8")),
    catch: () => invalid(file, "is not JSON")
  })
})
