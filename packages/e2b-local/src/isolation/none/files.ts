/**
 * File operations of sandboxes without isolation, confined to their folders by resolving every link first. That keeps
 * clients in; a program that swaps links meanwhile can lead out, but it sees the whole host anyway.
 *
 * @since 0.1.0
 */
import { Effect, Predicate, Stream } from "effect"
import type { Scope } from "effect"
import * as NodeStream from "@effect/platform-node/NodeStream"
import type { Stats } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Attributes from "../extendedAttributes.ts"
import { classify, fileError } from "../namespace/files.ts"
import * as HostProcess from "../../host/HostProcess.ts"
import { type Content, type Entry, FileError, type FileReason, type Files } from "../SandboxRuntime.ts"

const reasons: Readonly<Record<string, FileReason>> = {
  ENOENT: "NotFound",
  EEXIST: "Exists",
  ENOTEMPTY: "Exists",
  ENOTDIR: "NotDirectory",
  EISDIR: "IsDirectory",
  EACCES: "Denied",
  EPERM: "Denied",
  EROFS: "Denied",
  ENOSPC: "NoSpace",
  EDQUOT: "NoSpace",
  EFBIG: "NoSpace",
  ENAMETOOLONG: "Invalid",
  ELOOP: "Invalid",
  EINVAL: "Invalid"
}

const codeOf = (cause: unknown): string =>
  Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : ""

const failure = (path: string) => (cause: unknown) =>
  cause instanceof FileError ? cause : fileError(reasons[codeOf(cause)] ?? "Failed", path, codeOf(cause))

const attempt = <A>(path: string, promise: () => Promise<A>) =>
  Effect.tryPromise({ try: promise, catch: failure(path) })

const isWithin = (root: string, path: string) => path === root || path.startsWith(root + Path.sep)

/** The real path of the nearest ancestor that exists, with the rest appended. */
const realOf = async (path: string): Promise<string> => {
  try {
    return await Fs.realpath(path)
  } catch (cause) {
    // A link that leads nowhere would lead out as soon as it is written to.
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

const letters = ["---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"]

const permissionsOf = (stats: Stats): string =>
  (stats.isDirectory() ? "d" : stats.isSymbolicLink() ? "l" : "-") +
  [6, 3, 0].map((shift) => letters[(stats.mode >> shift) & 7]).join("")

const typeOf = (stats: Stats): Entry["type"] =>
  stats.isFile() ? "FILE_TYPE_FILE" : stats.isDirectory() ? "FILE_TYPE_DIRECTORY" : "FILE_TYPE_UNSPECIFIED"

const owner = (id: number, own: number | undefined) => (id === own ? Os.userInfo().username : `${id}`)

/** All but its metadata. */
const entryOf = async (path: string): Promise<Entry> => {
  const stats = await Fs.lstat(path)
  const link = stats.isSymbolicLink()
  const target = link ? await Fs.stat(path).catch(() => undefined) : stats
  return {
    path,
    type: target === undefined ? "FILE_TYPE_UNSPECIFIED" : typeOf(target),
    size: stats.size,
    mode: stats.mode & 0o777,
    permissions: permissionsOf(stats),
    owner: owner(stats.uid, process.geteuid?.()),
    group: owner(stats.gid, process.getegid?.()),
    modifiedTime: stats.mtime.toISOString(),
    symlinkTarget: link ? Path.resolve(Path.dirname(path), await Fs.readlink(path)) : undefined,
    metadata: {}
  }
}

const walk = async (folder: string, depth: number): Promise<ReadonlyArray<Entry>> => {
  const names = await Fs.readdir(folder)
  const entries = await Promise.all(
    names.toSorted().map(async (name): Promise<ReadonlyArray<Entry>> => {
      // What is removed meanwhile is left out, what cannot be entered is not entered.
      const entry = await entryOf(Path.join(folder, name)).catch(() => undefined)
      if (entry === undefined) return []
      const inner = depth > 1 && entry.type === "FILE_TYPE_DIRECTORY" && entry.symlinkTarget === undefined
      return inner ? [entry, ...(await walk(entry.path, depth - 1).catch(() => []))] : [entry]
    })
  )
  return entries.flat()
}

/** The entries with their metadata; without where there is none to be had. */
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

/** Files below `roots`, which must be real paths; everything else is refused as `Denied`. */
export const make = (roots: ReadonlyArray<string>): Files => {
  const check = (path: string, real: string) => {
    if (!roots.some((root) => isWithin(root, real))) {
      throw fileError("Denied", path, `outside of the sandbox, whose home is ${roots[0]}`)
    }
    return real
  }
  /** Where a path leads, links followed to the end. */
  const followed = async (path: string) => check(path, await realOf(path))
  /** The entry itself, links followed but the last. */
  const entry = async (path: string) =>
    roots.includes(path)
      ? path
      : check(path, Path.join(await realOf(Path.dirname(path)), Path.basename(path)))

  const stat = (path: string) =>
    attempt(path, async () => entryOf(await entry(path))).pipe(Effect.flatMap(oneWithMetadata))

  const read = (path: string): Effect.Effect<Content, FileError, Scope.Scope> =>
    Effect.gen(function* () {
      const handle = yield* Effect.acquireRelease(
        attempt(path, async () => Fs.open(await followed(path), "r")),
        close
      )
      const stats = yield* attempt(path, () => handle.stat())
      if (stats.isDirectory()) return yield* fileError("IsDirectory", path)
      return {
        size: stats.size,
        bytes: NodeStream.fromReadable<Uint8Array, FileError>({
          evaluate: () => handle.createReadStream({ autoClose: false, end: Math.max(0, stats.size - 1) }),
          onError: failure(path)
        })
      }
    })

  const write = <E>(
    path: string,
    content: Stream.Stream<Uint8Array, E>
  ): Effect.Effect<void, FileError | E> =>
    Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* Effect.acquireRelease(
          attempt(path, async () => {
            const target = await followed(path)
            await Fs.mkdir(Path.dirname(target), { recursive: true })
            return Fs.open(target, "w")
          }),
          close
        )
        yield* Stream.runForEach(content, (chunk) => attempt(path, () => handle.writeFile(chunk)))
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
    write,
    annotate: Effect.fnUntraced(function* (path, metadata) {
      const target = yield* attempt(path, () => followed(path))
      const output = yield* HostProcess.run({
        command: "sh",
        args: ["-c", Attributes.setScript, "sh", target, ...Object.entries(metadata).flat()],
        env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" }
      }).pipe(Effect.mapError((error) => fileError("Failed", path, error.message)))
      if (output.code !== 0) return yield* fileError(classify(output, output.stderr), path)
    })
  }
}
