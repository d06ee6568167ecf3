/**
 * File operations of sandboxes without isolation, confined to their folders by resolving every link first.
 *
 * That confines clients. A program that swaps links meanwhile can lead out, but it sees the whole host anyway. Uses
 * `node:fs`, because `FileSystem` has no `lstat` and no file handle that outlives one call.
 *
 * @since 0.1.0
 */
import { Effect, Stream } from "effect"
import type { Scope } from "effect"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { constants, type Stats } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as HostProcess from "../../host/HostProcess.ts"
import * as Attributes from "../extendedAttributes.ts"
import * as FileErrors from "../fileErrors.ts"
import { codeOf, fileError } from "../fileErrors.ts"
import type { Content, Entry, FileError, Files, Metadata } from "../SandboxRuntime.ts"

const failure = FileErrors.ofNode

// To open a pipe would otherwise wait for its other end, in one of the few threads that Node.js has for files.
const { O_CREAT, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants

const attempt = <A>(path: string, promise: () => Promise<A>) =>
  Effect.tryPromise({ try: promise, catch: failure(path) })

const isWithin = (root: string, path: string) => path === root || path.startsWith(root + Path.sep)

/** The real path of the nearest existing ancestor, with the rest appended. */
const realOf = async (path: string): Promise<string> => {
  try {
    return await Fs.realpath(path)
  } catch (cause) {
    // Writing through a broken link could create a file outside of the sandbox.
    if (
      codeOf(cause) !== "ENOENT" ||
      (await Fs.lstat(path).catch(() => undefined))?.isSymbolicLink() === true
    ) {
      throw cause
    }
    const parent = Path.dirname(path)
    return parent === path ? path : Path.join(await realOf(parent), Path.basename(path))
  }
}

/** The type letter of `find -printf %y`. */
const letterOf = (stats: Stats): string =>
  stats.isDirectory()
    ? "d"
    : stats.isSymbolicLink()
      ? "l"
      : stats.isFIFO()
        ? "p"
        : stats.isSocket()
          ? "s"
          : stats.isCharacterDevice()
            ? "c"
            : stats.isBlockDevice()
              ? "b"
              : "f"

const typeOf = (stats: Stats): Entry["type"] =>
  stats.isFile() ? "FILE_TYPE_FILE" : stats.isDirectory() ? "FILE_TYPE_DIRECTORY" : "FILE_TYPE_UNSPECIFIED"

const owner = (id: number, own: number | undefined) => (id === own ? Os.userInfo().username : `${id}`)

/** An entry without its metadata. */
const entryOf = async (path: string): Promise<Entry> => {
  const stats = await Fs.lstat(path)
  const link = stats.isSymbolicLink()
  const target = link ? await Fs.stat(path).catch(() => undefined) : stats
  return {
    path,
    type: target === undefined ? "FILE_TYPE_UNSPECIFIED" : typeOf(target),
    size: stats.size,
    mode: (target?.mode ?? 0) & 0o777,
    permissions: FileErrors.permissionsOf(letterOf(stats), stats.mode & 0o7777),
    owner: owner(stats.uid, process.geteuid?.()),
    group: owner(stats.gid, process.getegid?.()),
    modifiedTime: stats.mtime.toISOString(),
    symlinkTarget: link ? (target === undefined ? path : await Fs.realpath(path)) : undefined,
    metadata: {}
  }
}

const walk = async (folder: string, depth: number): Promise<ReadonlyArray<Entry>> => {
  const names = await Fs.readdir(folder)
  const entries = await Promise.all(
    names.toSorted().map(async (name): Promise<ReadonlyArray<Entry>> => {
      // An entry that was removed meanwhile is left out. A folder that cannot be entered is skipped.
      const entry = await entryOf(Path.join(folder, name)).catch(() => undefined)
      if (entry === undefined) return []
      const inner = depth > 1 && entry.type === "FILE_TYPE_DIRECTORY" && entry.symlinkTarget === undefined
      return inner ? [entry, ...(await walk(entry.path, depth - 1).catch(() => []))] : [entry]
    })
  )
  return entries.flat()
}

/** The entries with their metadata. Without it where it cannot be read. */
const withMetadata = Effect.fnUntraced(
  function* (entries: ReadonlyArray<Entry>) {
    if (entries.length === 0) return entries
    const process = yield* HostProcess.scoped({
      command: "sh",
      args: ["-c", Attributes.fillIn(2)],
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
      stdin: true
    })
    const { stdin } = process
    if (stdin === undefined) return entries
    const [output] = yield* Effect.all(
      [
        HostProcess.collect(process.stdout, 64 * 1024 * 1024),
        Effect.andThen(
          HostProcess.write(stdin, entries.map(({ path }) => `${path}\0\0`).join("")),
          HostProcess.end(stdin)
        )
      ],
      { concurrency: 2 }
    )
    const fields = output.toString("utf8").split("\0")
    return entries.map((entry, index) => ({
      ...entry,
      metadata: Attributes.parse(fields[index * 2 + 1] ?? "")
    }))
  },
  Effect.scoped,
  (effect, entries) => Effect.orElseSucceed(effect, () => entries)
)

const oneWithMetadata = (entry: Entry) => Effect.map(withMetadata([entry]), ([found = entry]) => found)

const close = (handle: Fs.FileHandle) => Effect.promise(() => handle.close().catch(() => {}))

const replaceMetadata = Effect.fnUntraced(function* (path: string, target: string, metadata: Metadata) {
  const output = yield* HostProcess.run({
    command: "sh",
    args: ["-c", Attributes.replaceScript, "sh", target, ...Object.entries(metadata).flat()],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" }
  }).pipe(Effect.mapError((error) => fileError("Failed", path, error.message)))
  if (output.code !== 0) return yield* fileError(FileErrors.ofExit(output, output.stderr), path)
})

/** Files below `roots`, which must be real paths. Everything else is refused as `Denied`. */
export const make = (roots: ReadonlyArray<string>): Files => {
  const check = (path: string, real: string) => {
    if (!roots.some((root) => isWithin(root, real))) {
      throw fileError("Denied", path, `outside of the sandbox, whose home is ${roots[0]}`)
    }
    return real
  }
  /** The path with all links followed. */
  const followed = async (path: string) => check(path, await realOf(path))
  /** The path with all links followed except the last. */
  const entry = async (path: string) =>
    roots.includes(path)
      ? path
      : check(path, Path.join(await realOf(Path.dirname(path)), Path.basename(path)))

  const stat = (path: string) =>
    attempt(path, async () => entryOf(await entry(path))).pipe(Effect.flatMap(oneWithMetadata))

  const read = (path: string): Effect.Effect<Content, FileError, Scope.Scope> =>
    Effect.gen(function* () {
      const handle = yield* Effect.acquireRelease(
        attempt(path, async () => Fs.open(await followed(path), O_RDONLY | O_NONBLOCK)),
        close
      )
      const stats = yield* attempt(path, () => handle.stat())
      if (stats.isFIFO()) return yield* fileError("Invalid", path, FileErrors.pipeDetail)
      if (stats.isDirectory()) return yield* fileError("IsDirectory", path)
      return {
        size: stats.isFile() && stats.size > 0 ? stats.size : undefined,
        modified: Math.floor(stats.mtimeMs / 1000),
        bytes: (range = { start: 0, length: stats.size }) =>
          NodeStream.fromReadable<Uint8Array, FileError>({
            evaluate: () =>
              stats.isFile() && stats.size > 0
                ? handle.createReadStream({
                    autoClose: false,
                    start: range.start,
                    end: range.start + range.length - 1
                  })
                : handle.createReadStream({ autoClose: false }),
            onError: failure(path)
          })
      }
    })

  const write = <E>(
    path: string,
    content: Stream.Stream<Uint8Array, E>,
    metadata: Metadata
  ): Effect.Effect<void, FileError | E> =>
    Effect.scoped(
      Effect.gen(function* () {
        const target = yield* attempt(path, () => followed(path))
        const handle = yield* Effect.acquireRelease(
          attempt(path, async () => {
            await Fs.mkdir(Path.dirname(target), { recursive: true })
            return Fs.open(target, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK)
          }),
          close
        )
        if ((yield* attempt(path, () => handle.stat())).isFIFO()) {
          return yield* fileError("Invalid", path, FileErrors.pipeDetail)
        }
        yield* Stream.runForEach(content, (chunk) => attempt(path, () => handle.writeFile(chunk)))
        yield* replaceMetadata(path, target, metadata)
      })
    )

  return {
    stat,
    list: (path, depth) =>
      attempt(path, async () => {
        const folder = await followed(path)
        const stats = await Fs.stat(folder)
        if (!stats.isDirectory()) throw fileError("NotDirectory", path)
        return walk(folder, depth)
      }).pipe(Effect.flatMap(withMetadata)),
    folder: (path) =>
      attempt(path, async () => {
        const folder = await followed(path)
        if (!(await Fs.stat(folder)).isDirectory()) throw fileError("NotDirectory", path)
        return folder
      }),
    makeDir: (path) =>
      attempt(path, async () => {
        const target = await followed(path)
        const found = await Fs.stat(target).catch(() => undefined)
        if (found !== undefined) throw fileError(found.isDirectory() ? "Exists" : "NotDirectory", path)
        await Fs.mkdir(target, { recursive: true })
        return entryOf(target)
      }),
    move: (from, to) =>
      attempt(from, async () => {
        const source = await entry(from)
        await Fs.lstat(source)
        const target = await entry(to)
        await Fs.mkdir(Path.dirname(target), { recursive: true })
        await Fs.rename(source, target)
        return entryOf(target)
      }).pipe(Effect.flatMap(oneWithMetadata)),
    remove: (path) =>
      attempt(path, async () => {
        if (roots.includes(path)) throw fileError("Denied", path)
        await Fs.rm(await entry(path), { recursive: true, force: true })
      }),
    read,
    write
  }
}
