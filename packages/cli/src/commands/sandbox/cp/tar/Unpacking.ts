// oxlint-disable no-await-in-loop -- an archive is read from its beginning to its end
import { constants } from "node:fs"
import { type FileHandle, link, lstat, mkdir, open, symlink, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { extract, type Extract, type ExtractEvents, type Header } from "tar-stream"
import { isPlainName, staysInside } from "./safePaths.ts"
import { CopyRefused, type Report } from "./report.ts"

/** Files of at most this size are written several at a time. */
const small = 256 * 1024

/** How many small files are written at the same time. */
const concurrency = 16

/** The limits of an archive. */
export interface Limits {
  /** How many bytes its files may have together. */
  readonly bytes: number
  /** How many entries it may have. */
  readonly entries: number
}

type Source = ExtractEvents["entry"][1]

const utf8 = new TextDecoder("utf-8", { fatal: true })

/**
 * A path of the archive. Names are read as bytes, because a lossy text would name another file; `undefined` when they are
 * not UTF-8. A pax header holds UTF-8 only.
 */
const textOf = (read: string, isPax: boolean): string | undefined => {
  if (isPax) return read
  try {
    return utf8.decode(Buffer.from(read, "latin1"))
  } catch {
    return undefined
  }
}

const hasPax = ({ pax }: Header, key: "path" | "linkpath"): boolean =>
  typeof pax === "object" && pax !== null && key in pax

/** The parts of a path below the target. Fails when it could lead anywhere else. */
const partsOf = (path: string): ReadonlyArray<string> => {
  const parts = path
    .replace(/^(?:\.\/+)+/, "")
    .replace(/\/+$/, "")
    .split("/")
  if (parts.length === 1 && (parts[0] === "" || parts[0] === ".")) return []
  const odd = path.startsWith("/") ? path : parts.find((part) => !isPlainName(part))
  if (odd !== undefined) {
    throw new CopyRefused(
      `The sandbox sent something of the name ${JSON.stringify(odd)}, which no file can have. Nothing was copied.`
    )
  }
  return parts
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined

/** The stream of an entry has no type of its own. */
const piece = (part: unknown): Uint8Array => {
  if (part instanceof Uint8Array) return part
  throw new CopyRefused("The archive could not be read.")
}

const createOnly = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/**
 * Writes the entries of a tar below a path that does not exist yet.
 *
 * **Details**
 *
 * The archive is not trusted. Names with `..`, absolute names and names that occur twice end the copy. Devices, sockets
 * and pipes are left out. Symbolic links are written last, so that nothing is ever written through one, and only those
 * that stay in the folder. Files get no permission but "executable". At most a few pieces are held in memory.
 */
export class Unpacking {
  readonly #at: string
  readonly #type: "file" | "folder"
  readonly #limits: Limits
  readonly #report: Report
  // The names are bytes: see `textOf`.
  readonly #archive: Extract = extract({ filenameEncoding: "latin1" } as object)
  readonly #writing = new Set<Promise<void>>()
  readonly #links: Array<{ readonly path: string; readonly target: string }> = []
  readonly #done: Promise<void>
  #bytes = 0
  #entries = 0
  #failure: unknown

  constructor(at: string, type: "file" | "folder", limits: Limits, report: Report) {
    this.#at = at
    this.#type = type
    this.#limits = limits
    this.#report = report
    this.#done = this.#readAll().catch((error: unknown) => {
      this.#failure ??= error ?? new CopyRefused("The archive could not be read.")
      this.#archive.destroy()
    })
  }

  /** Reads a piece of the archive. Resolves once there is room for the next. */
  async feed(bytes: Uint8Array): Promise<void> {
    if (this.#failure === undefined && !this.#archive.write(bytes)) {
      await Promise.race([
        new Promise<void>((resolve) => this.#archive.once("drain", () => resolve())),
        this.#done
      ])
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Resolves once everything is written. */
  async end(): Promise<void> {
    this.#archive.end(undefined)
    await this.#done
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Stops. Nothing is written any more once it resolves. */
  async close(): Promise<void> {
    this.#archive.destroy()
    await this.#done
    await Promise.allSettled(this.#writing)
  }

  async #readAll(): Promise<void> {
    await this.#readEntries()
    await Promise.all(this.#writing)
    if (this.#failure !== undefined) throw this.#failure
    if (this.#type === "folder") await mkdir(this.#at, { recursive: true })
    for (const { path, target } of this.#links) await symlink(target, path)
    if (this.#type === "file" && this.#report.files === 0) {
      throw new CopyRefused("The sandbox sent no file. Check the path.")
    }
  }

  /** Reads one entry after the other. The iterator of the library never ends when it is left early. */
  #readEntries(): Promise<void> {
    const { promise, reject, resolve } = Promise.withResolvers<void>()
    this.#archive.on("entry", (header, source, next) => {
      // An entry that ends early ends the archive, which reports it.
      source.on("error", () => undefined)
      const read = async () => {
        await this.#entry(header, source)
        // What was not read of the entry is passed over.
        source.resume()
        next()
      }
      read().catch((error: unknown) => {
        reject(error)
        this.#archive.destroy()
      })
    })
    this.#archive.on("error", reject)
    this.#archive.on("close", () => resolve())
    return promise
  }

  async #entry(header: Header, source: Source): Promise<void> {
    this.#entries++
    if (this.#entries > this.#limits.entries) {
      throw new CopyRefused(`There are more than ${this.#limits.entries} entries. Copy parts of the folder.`)
    }
    const name = textOf(header.name, hasPax(header, "path"))
    if (name === undefined) return this.#skip(header.name, "name")
    const parts = partsOf(name)
    const path = this.#type === "file" ? this.#at : join(this.#at, ...parts)
    if (this.#type === "file" && (header.type !== "file" || this.#entries > 1)) {
      throw new CopyRefused("The sandbox sent something that is not the one file that was asked for.")
    }
    if (parts.length === 0) {
      if (header.type !== "directory") throw new CopyRefused("The sandbox sent a file without a name.")
      return this.#folder(this.#at)
    }
    switch (header.type) {
      case "directory":
        return this.#folder(path)
      case "file":
      case "contiguous-file":
        return this.#file(header, source, path)
      case "link":
        return this.#hardLink(header, path, name)
      case "symlink":
        return this.#symbolicLink(header, path, parts)
      default:
        return this.#skip(name, "special")
    }
  }

  #skip(name: string, why: Report["skipped"][number]["why"]): void {
    const shown = why === "name" ? Buffer.from(name, "latin1").toString() : name
    this.#report.skipped.push({ path: `/${shown.replace(/^\.\//, "")}`, why })
  }

  async #folder(path: string): Promise<void> {
    // Only folders and files of this copy are here; the links come last.
    await mkdir(path, { recursive: true }).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error
      throw new CopyRefused(`${path} is sent as a file and as a folder.`)
    })
  }

  async #file({ mode, size }: Header, source: Source, path: string): Promise<void> {
    this.#bytes += size
    if (this.#bytes > this.#limits.bytes) {
      throw new CopyRefused(
        `The copy would have more than ${this.#limits.bytes} bytes. Raise the limit with --max-size.`
      )
    }
    if (this.#type === "folder") await mkdir(dirname(path), { recursive: true })
    const permissions = (mode & 0o100) === 0 ? 0o666 : 0o777
    if (size > small) return this.#large(source, path, permissions)
    const parts: Array<Uint8Array> = []
    for await (const part of source) parts.push(piece(part))
    while (this.#writing.size >= concurrency) await Promise.race(this.#writing)
    const bytes = Buffer.concat(parts)
    const written = this.#small(path, bytes, permissions).finally(() => this.#writing.delete(written))
    this.#writing.add(written)
  }

  async #small(path: string, bytes: Uint8Array, mode: number): Promise<void> {
    try {
      await writeFile(path, bytes, { flag: createOnly, mode })
      this.#report.files++
      this.#report.bytes += bytes.length
    } catch (error) {
      this.#failure ??= twice(error, path)
      this.#archive.destroy()
    }
  }

  async #large(source: Source, path: string, mode: number): Promise<void> {
    const file: FileHandle = await open(path, createOnly, mode).catch((error: unknown) => {
      throw twice(error, path)
    })
    try {
      for await (const part of source) {
        const bytes = piece(part)
        for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten
        this.#report.bytes += bytes.length
      }
    } finally {
      await file.close()
    }
    this.#report.files++
  }

  /** Another name of a file that was sent before. */
  async #hardLink(header: Header, path: string, name: string): Promise<void> {
    const target = textOf(header.linkname, hasPax(header, "linkpath"))
    if (target === undefined) return this.#skip(header.name, "name")
    await Promise.all(this.#writing)
    const first = join(this.#at, ...partsOf(target))
    const isFile = await lstat(first).then(
      (stat) => stat.isFile(),
      () => false
    )
    if (!isFile) return this.#skip(name, "link")
    await mkdir(dirname(path), { recursive: true })
    await link(first, path).catch((error: unknown) => {
      throw twice(error, path)
    })
    this.#report.files++
  }

  async #symbolicLink(header: Header, path: string, parts: ReadonlyArray<string>): Promise<void> {
    const target = textOf(header.linkname, hasPax(header, "linkpath"))
    if (target === undefined) return this.#skip(header.name, "name")
    if (!staysInside(target, parts.length - 1)) return this.#skip(parts.join("/"), "link")
    await mkdir(dirname(path), { recursive: true })
    this.#links.push({ path, target })
    this.#report.files++
  }
}

const twice = (error: unknown, path: string): unknown =>
  codeOf(error) === "EEXIST" ? new CopyRefused(`The sandbox sent ${path} twice.`) : error
