import type { SandboxError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Effect, FileSystem, Path, type PlatformError, Stream } from "effect"
import { posix } from "node:path"
import { type Existing, isPlainName, mayNotBeUtf8 } from "./location.ts"
import { NotFound, Usage } from "../../../ui/Failure.ts"

type Result<A> = Effect.Effect<A, SandboxError.SandboxError | Usage | NotFound>

type Pieces = Stream.Stream<Uint8Array, SandboxError.SandboxError | Usage | NotFound>

/** The largest file that is copied out of a sandbox. A link to `/dev/zero` would fill the disk of this machine. */
const largestCopy = 4 * 1024 ** 3

/** An entry of a folder. */
interface Entry {
  readonly name: string
  readonly type: "file" | "folder" | "other"
}

/** A file system to copy from or to: that of this machine or that of a sandbox. Paths are absolute. */
export interface Side {
  /** The absolute path. */
  readonly resolve: (path: string) => Result<string>
  readonly typeOf: (path: string) => Result<Existing>
  readonly list: (folder: string) => Result<ReadonlyArray<Entry>>
  readonly read: (path: string) => Result<Uint8Array>
  /** The content in pieces, up to the size that a copy may have. */
  readonly stream: (path: string) => Pieces
  /** Creates missing folders and replaces an existing file in one step. */
  readonly write: (path: string, bytes: Uint8Array) => Result<void>
  /** Like `write`, and returns the size. */
  readonly writeStream: (path: string, pieces: Pieces) => Result<number>
  readonly makeFolder: (path: string) => Result<void>
  readonly remove: (path: string) => Result<void>
  readonly rename: (from: string, to: string) => Result<void>
  /** The executable files at or below a path. */
  readonly executables: (path: string) => Result<ReadonlySet<string>>
  readonly makeExecutable: (paths: ReadonlyArray<string>) => Result<void>
}

const failed = (what: string, path: string) => (error: PlatformError.PlatformError) =>
  error.reason._tag === "NotFound"
    ? new NotFound({ message: `There is no file ${path}. Check the path.` })
    : new Usage({
        message: `${path} cannot be ${what} (${error.reason._tag}). Check the path and its permissions.`
      })

const oneOf = (type: FileSystem.File.Type): Entry["type"] =>
  type === "File" ? "file" : type === "Directory" ? "folder" : "other"

/** Lists a folder of this machine. A name that is not UTF-8 cannot be opened and counts as `other`. */
const listing = (fs: FileSystem.FileSystem, path: Path.Path): Side["list"] =>
  Effect.fnUntraced(function* (folder) {
    const entries = yield* Effect.mapError(fs.readDirectoryEntries(folder), failed("read", folder))
    return yield* Effect.forEach(entries, ({ name, type }) =>
      Effect.map(
        mayNotBeUtf8(name)
          ? Effect.orElseSucceed(fs.exists(path.join(folder, name)), () => false)
          : Effect.succeed(true),
        (exists): Entry => ({ name, type: exists ? oneOf(type) : "other" })
      )
    )
  })

/** The files of this machine. Relative paths start at `cwd`. */
export const here = Effect.fnUntraced(function* (cwd: string) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]

  const list = listing(fs, path)

  const walk = (folder: string): Result<ReadonlyArray<string>> =>
    Effect.flatMap(list(folder), (entries) =>
      Effect.map(
        Effect.forEach(
          entries.filter(({ type }) => type !== "other"),
          ({ name, type }) => {
            const one = path.join(folder, name)
            return type === "folder" ? walk(one) : Effect.succeed([one])
          }
        ),
        (all) => all.flat()
      )
    )

  const typeOf: Side["typeOf"] = (file) =>
    fs.stat(file).pipe(
      Effect.map(({ type }): Existing => (type === "Directory" ? "folder" : "file")),
      Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed<Existing>("nothing")),
      Effect.mapError(failed("read", file))
    )

  const isExecutable = (file: string) =>
    Effect.map(Effect.mapError(fs.stat(file), failed("read", file)), ({ mode }) => (mode & 0o100) !== 0)

  const side: Side = {
    resolve: (file) => Effect.succeed(path.resolve(cwd, file)),
    typeOf,
    list,
    read: (file) => Effect.mapError(fs.readFile(file), failed("read", file)),
    stream: (file) => Stream.mapError(fs.stream(file), failed("read", file)),
    // The scope removes the part when the disk is full, the source fails, or the copy is interrupted.
    writeStream: Effect.fnUntraced(function* (file, pieces) {
      const onDisk = Effect.mapError(failed("written", file))
      const folder = path.dirname(file)
      yield* onDisk(fs.makeDirectory(folder, { recursive: true }))
      const made = yield* onDisk(fs.makeTempDirectoryScoped({ directory: folder, prefix: ".part-" }))
      const part = path.join(made, "file")
      const handle = yield* onDisk(fs.open(part, { flag: "wx" }))
      let size = 0
      yield* Stream.runForEach(pieces, (bytes) => {
        size += bytes.length
        return onDisk(handle.writeAll(bytes))
      })
      yield* onDisk(fs.rename(part, file))
      return size
    }, Effect.scoped),
    write: Effect.fnUntraced(
      function* (file, bytes) {
        const folder = path.dirname(file)
        yield* fs.makeDirectory(folder, { recursive: true })
        const part = path.join(
          yield* fs.makeTempDirectoryScoped({ directory: folder, prefix: ".part-" }),
          "file"
        )
        yield* fs.writeFile(part, bytes)
        yield* fs.rename(part, file)
      },
      (effect, file) => Effect.mapError(Effect.scoped(effect), failed("written", file))
    ),
    makeFolder: (folder) =>
      Effect.mapError(fs.makeDirectory(folder, { recursive: true }), failed("created", folder)),
    remove: (file) =>
      Effect.mapError(fs.remove(file, { recursive: true, force: true }), failed("removed", file)),
    rename: (from, to) => Effect.mapError(fs.rename(from, to), failed("written", to)),
    executables: Effect.fnUntraced(function* (root) {
      const files = (yield* typeOf(root)) === "folder" ? yield* walk(root) : [root]
      return new Set(yield* Effect.filter(files, isExecutable, { concurrency: 8 }))
    }),
    makeExecutable: (files) =>
      Effect.forEach(
        files,
        (file) =>
          Effect.mapError(
            Effect.flatMap(fs.stat(file), ({ mode }) =>
              // Executable for everybody who may read it, as umask leaves it.
              fs.chmod(file, (mode & 0o777) | ((mode & 0o444) >> 2))
            ),
            failed("made executable", file)
          ),
        { discard: true }
      )
  }
  return side
})

/** The files of a sandbox. */
export const there = ({ exec, files }: Sandbox.Sandbox): Side => {
  const exists = (path: string) =>
    files.stat(path).pipe(
      Effect.as(true),
      Effect.catchReason("SandboxError", "FileNotFound", () => Effect.succeed(false))
    )

  const list: Side["list"] = Effect.fnUntraced(function* (folder) {
    const entries = yield* files.list(folder)
    const odd = entries.find(({ name }) => !isPlainName(name))
    if (odd !== undefined) {
      return yield* new Usage({
        message: `${folder} holds something of the name ${JSON.stringify(odd.name)}, which no file can have. Nothing was copied.`
      })
    }
    return yield* Effect.forEach(entries, ({ name, type }) =>
      Effect.map(
        mayNotBeUtf8(name) ? exists(posix.join(folder, name)) : Effect.succeed(true),
        (isThere): Entry => ({
          name,
          type: !isThere ? "other" : type === "file" ? "file" : type === "directory" ? "folder" : "other"
        })
      )
    )
  })

  const lists = (path: string) =>
    files.list(path).pipe(
      Effect.as<Existing>("folder"),
      Effect.catchReason("SandboxError", "InvalidRequest", () => Effect.succeed<Existing>("file"))
    )

  /** Fails for a device, a FIFO or a socket, and for a link to one. The limits of a copy hold for one that lies. */
  const regular = (path: string) =>
    Effect.flatMap(exec({ argv: ["test", "-f", path] }), ({ exitCode }): Result<Existing> =>
      exitCode === 0
        ? Effect.succeed("file")
        : Effect.fail(new Usage({ message: `${path} is neither a file nor a folder. Check the path.` }))
    )

  const typeOf: Side["typeOf"] = (path) =>
    files.stat(path).pipe(
      Effect.flatMap(({ type }): Result<Existing> => {
        if (type === "directory" || type === "file")
          return Effect.succeed(type === "file" ? "file" : "folder")
        // The type of a link does not say what it points to.
        return type === "symlink"
          ? Effect.flatMap(lists(path), (found) => (found === "file" ? regular(path) : Effect.succeed(found)))
          : regular(path)
      }),
      Effect.catchReason("SandboxError", "FileNotFound", () => Effect.succeed<Existing>("nothing"))
    )

  return {
    resolve: (path) =>
      path.startsWith("/")
        ? Effect.succeed(posix.normalize(path))
        : Effect.map(files.stat("."), (home) => posix.join(home.path, path)),
    typeOf,
    list,
    read: (path) => files.read(path),
    stream: (path) => files.stream(path, { limitBytes: largestCopy }),
    write: files.write,
    writeStream: (path, pieces) =>
      Effect.flatMap(Stream.mkUint8Array(pieces), (bytes) =>
        Effect.as(files.write(path, bytes), bytes.length)
      ),
    makeFolder: files.makeDir,
    remove: files.remove,
    rename: files.rename,
    executables: (root) =>
      Effect.map(
        exec({ argv: ["find", root, "-type", "f", "-perm", "-u+x", "-print0"] }),
        ({ stdout }) => new Set(stdout.split("\0").filter((path) => path !== ""))
      ),
    makeExecutable: (paths) =>
      paths.length === 0
        ? Effect.void
        : Effect.asVoid(
            exec({
              argv: ["xargs", "-0", "chmod", "+x", "--"],
              stdin: paths.map((path) => `${path}\0`).join("")
            })
          )
  }
}
