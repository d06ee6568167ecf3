// oxlint-disable no-await-in-loop -- an archive is written from its beginning to its end
import { constants, type Stats } from "node:fs"
import { type FileHandle, lstat, open, readdir, readlink } from "node:fs/promises"
import { pack as makePack, type Pack } from "tar-stream"
import { staysInside } from "./safePaths.ts"
import { CopyRefused, type Report } from "./report.ts"

/** Files of at most this size are read ahead and at once. */
const small = 256 * 1024

/** How many entries are read ahead. */
const aheadBy = 16

/** The size of the pieces of the archive. */
const pieceSize = 4 * 1024 * 1024

/** One entry of the archive. Large files are read when it is their turn. */
type Entry =
  | { readonly _tag: "Folder"; readonly name: string; readonly stat: Stats }
  | { readonly _tag: "Link"; readonly name: string; readonly stat: Stats; readonly target: string }
  | { readonly _tag: "Small"; readonly name: string; readonly stat: Stats; readonly bytes: Buffer }
  | { readonly _tag: "Large"; readonly name: string; readonly stat: Stats; readonly path: string }

const isGone = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")

/** Opens a regular file. Neither a link nor a pipe that took its place in the meantime is followed or waited for. */
const openFile = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)

const readSmall = async (name: string, path: string): Promise<Entry | undefined> => {
  const file = await openFile(path)
  try {
    const stat = await file.stat()
    if (!stat.isFile()) return undefined
    if (stat.size > small) return { _tag: "Large", name, stat, path }
    return { _tag: "Small", name, stat, bytes: await file.readFile() }
  } finally {
    await file.close()
  }
}

/** What is at a path. Absent when it is left out, which is reported, and when it has gone in the meantime. */
const entryOf = async (name: string, path: string, report: Report): Promise<Entry | undefined> => {
  try {
    const stat = await lstat(path)
    if (stat.isDirectory()) return { _tag: "Folder", name, stat }
    if (stat.isFile()) {
      return stat.size > small ? { _tag: "Large", name, stat, path } : await readSmall(name, path)
    }
    if (stat.isSymbolicLink()) {
      const target = await readlink(path)
      if (staysInside(target, name.split("/").length - 1)) return { _tag: "Link", name, stat, target }
      report.skipped.push({ path: `/${name}`, why: "link" })
      return undefined
    }
    report.skipped.push({ path: `/${name}`, why: "special" })
    return undefined
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** The names in a folder, in order. Names that are not UTF-8 cannot be written in the archive and are reported. */
const namesIn = async (folder: string, below: string, report: Report): Promise<ReadonlyArray<string>> => {
  const found = await readdir(folder, { encoding: "buffer" })
  const names = found.flatMap((bytes) => {
    const name = bytes.toString()
    if (Buffer.from(name).equals(bytes)) return [name]
    report.skipped.push({ path: `/${below}${name}`, why: "name" })
    return []
  })
  return names.toSorted()
}

/** Everything below a folder, each folder before its entries. Reads some entries ahead. */
async function* walk(root: string, below: string, report: Report): AsyncGenerator<Entry> {
  const names = await namesIn(`${root}/${below}`, below, report)
  const pending: Array<Promise<Entry | undefined>> = []
  let next = 0
  const more = () => {
    for (; pending.length < aheadBy && next < names.length; next++) {
      const name = `${below}${names[next]}`
      const entry = entryOf(name, `${root}/${name}`, report)
      // It is awaited below, unless the archive is left before that.
      entry.catch(() => undefined)
      pending.push(entry)
    }
  }
  for (more(); pending.length > 0; more()) {
    const entry = await pending.shift()
    if (entry === undefined) continue
    yield entry
    if (entry._tag === "Folder") yield* walk(root, `${entry.name}/`, report)
  }
}

const headerOf = (name: string, { mode, mtime, size }: Stats) => ({
  name,
  size,
  mtime,
  mode: (mode & 0o100) === 0 ? 0o644 : 0o755
})

/** The archive, and how many of its bytes the reader has not taken yet. */
class Archive {
  readonly pack: Pack = makePack()
  readonly report: Report
  #ahead = 0
  #wake: (() => void) | undefined

  constructor(report: Report) {
    this.report = report
  }

  /** Counts bytes that the reader has taken. */
  taken(bytes: number): void {
    this.#ahead -= bytes
    this.#wake?.()
  }

  /** Resolves once the reader has taken enough, so that a slow one does not fill the memory. */
  async room(): Promise<void> {
    while (this.#ahead > pieceSize && !this.pack.destroying) {
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  close(error?: Error): void {
    this.pack.destroy(error)
    this.#wake?.()
  }

  async add(entry: Entry): Promise<void> {
    const { name, stat } = entry
    const header = headerOf(name, stat)
    switch (entry._tag) {
      case "Folder":
        this.pack.entry({ ...header, type: "directory", size: 0, mode: 0o755 })
        this.#ahead += 512
        return
      case "Link":
        this.pack.entry({ ...header, type: "symlink", linkname: entry.target, size: 0 })
        this.#ahead += 512
        this.report.files++
        return
      case "Small":
        this.pack.entry({ ...header, size: entry.bytes.length }, entry.bytes)
        this.#ahead += 512 + entry.bytes.length
        this.report.files++
        this.report.bytes += entry.bytes.length
        return
      case "Large":
        return this.#addLarge(name, entry.path)
    }
  }

  /** Adds a file in pieces: as many bytes as it had when it was opened. */
  async #addLarge(name: string, path: string): Promise<void> {
    const file = await openFile(path)
    try {
      const stat = await file.stat()
      if (!stat.isFile()) return
      const added = Promise.withResolvers<void>()
      added.promise.catch(() => undefined)
      const done = (error?: Error | null) => (error ? added.reject(error) : added.resolve())
      const sink = this.pack.entry(headerOf(name, stat), done)
      for (let at = 0; at < stat.size;) {
        await this.room()
        const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(small), 0, small, at)
        if (bytesRead === 0)
          throw new CopyRefused(`${path} was cut short while it was copied. Copy it again.`)
        const piece = buffer.subarray(0, Math.min(bytesRead, stat.size - at))
        at += piece.length
        this.report.bytes += piece.length
        this.#ahead += piece.length
        if (sink.write(piece)) continue
        await Promise.race([
          new Promise<void>((resolve) => sink.once("drain", () => resolve())),
          added.promise
        ])
      }
      sink.end(undefined)
      await added.promise
    } finally {
      await file.close()
    }
    this.report.files++
  }
}

/** The name of a file that is an archive of its own. */
export const only = "it"

const addAll = async (archive: Archive, path: string, type: "file" | "folder") => {
  if (type === "file") {
    const entry = await readSmall(only, path)
    if (entry === undefined) throw new CopyRefused(`${path} is not a file.`)
    await archive.add(entry)
  } else {
    for await (const entry of walk(path, "", archive.report)) {
      await archive.room()
      await archive.add(entry)
    }
  }
  archive.pack.finalize()
}

/**
 * Writes a file, or the entries of a folder, as tar. The archive of a file has one entry, {@link only}.
 *
 * **Details**
 *
 * Symbolic links in a folder are kept when they stay in it. Other links, special files and names that are not UTF-8 are
 * left out and reported. At most a few pieces are held in memory.
 */
export async function* pack(
  path: string,
  type: "file" | "folder",
  report: Report
): AsyncGenerator<Uint8Array> {
  const archive = new Archive(report)
  const adding = addAll(archive, path, type).catch((error: unknown) => {
    archive.close(error instanceof Error ? error : new Error(String(error)))
  })
  try {
    let [parts, size] = [new Array<Uint8Array>(), 0]
    for await (const part of archive.pack) {
      if (!(part instanceof Uint8Array)) continue
      const bytes: Uint8Array = part
      parts.push(bytes)
      size += bytes.length
      archive.taken(bytes.length)
      if (size < pieceSize) continue
      yield Buffer.concat(parts)
      parts = []
      size = 0
    }
    if (size > 0) yield Buffer.concat(parts)
  } finally {
    archive.close()
    await adding
  }
}
