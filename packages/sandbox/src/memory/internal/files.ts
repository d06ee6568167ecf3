/** The files of a sandbox in memory. */
import { type Id, SandboxError } from "@remote-agent/domain"
import { Effect, Queue, Stream } from "effect"
import { bounded, collectFile } from "../../internal/fileLimit.ts"
import { defaultReadLimit, type FileEvent, type FileInfo, type SandboxFiles } from "../../Sandbox.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Resolves a path against a folder. The result is absolute. */
export const resolve = (folder: string, path: string): string => {
  const parts: Array<string> = []
  for (const part of (path.startsWith("/") ? path : `${folder}/${path}`).split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `/${parts.join("/")}`
}

const parent = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf("/")))

const below = (path: string) => (other: string) =>
  other === path || other.startsWith(path === "/" ? "/" : `${path}/`)

/** Bytes by absolute path, and the folders around them. */
export interface Contents {
  readonly contents: Map<string, Uint8Array>
  readonly folders: Set<string>
}

/** Contents with an empty home folder. */
export const empty = (home: string): Contents => ({ contents: new Map(), folders: new Set(["/", home]) })

/** An independent copy. The bytes of a file are never changed in place, so they are shared. */
export const copy = ({ contents, folders }: Contents): Contents => ({
  contents: new Map(contents),
  folders: new Set(folders)
})

type Watcher = (tag: FileEvent["_tag"], path: string) => void

/** A tree of files with its watchers. All paths are absolute. */
const treeOf = ({ contents, folders }: Contents) => {
  const watchers = new Set<Watcher>()
  const report: Watcher = (tag, path) => {
    for (const watcher of watchers) watcher(tag, path)
  }
  const makeFolders = (path: string): void => {
    const made: Array<string> = []
    for (let at = path; !folders.has(at); at = parent(at)) {
      folders.add(at)
      made.unshift(at)
    }
    for (const folder of made) report("Created", folder)
  }
  return {
    watchers,
    makeFolders,
    exists: (path: string) => folders.has(path) || contents.has(path),
    infoOf: (path: string): FileInfo => ({
      path,
      name: path.slice(path.lastIndexOf("/") + 1),
      type: folders.has(path) ? "directory" : "file",
      size: contents.get(path)?.length ?? 0
    }),
    write: (path: string, bytes: Uint8Array): void => {
      makeFolders(parent(path))
      const isNew = !contents.has(path)
      contents.set(path, bytes)
      if (isNew) report("Created", path)
      report("Written", path)
    },
    remove: (path: string): void => {
      const isBelow = below(path)
      for (const file of contents.keys()) {
        if (isBelow(file) && contents.delete(file)) report("Removed", file)
      }
      for (const folder of folders) if (isBelow(folder) && folders.delete(folder)) report("Removed", folder)
    },
    move: (source: string, target: string): void => {
      const isBelow = below(source)
      makeFolders(parent(target))
      for (const [file, content] of contents) {
        if (!isBelow(file)) continue
        contents.delete(file)
        contents.set(target + file.slice(source.length), content)
      }
      for (const folder of folders) {
        if (isBelow(folder) && folders.delete(folder)) folders.add(target + folder.slice(source.length))
      }
      report("Renamed", source)
      report("Created", target)
    }
  }
}

const watch = (
  watchers: Set<Watcher>,
  folder: string,
  recursive: boolean
): Stream.Stream<FileEvent, SandboxError.SandboxError> =>
  Stream.callback<FileEvent, SandboxError.SandboxError>(
    Effect.fnUntraced(function* (queue) {
      const prefix = folder === "/" ? "/" : `${folder}/`
      const watcher: Watcher = (tag, at) => {
        const name = at.slice(prefix.length)
        const isInside = at.startsWith(prefix) && (recursive || !name.includes("/"))
        if (isInside) Queue.offerUnsafe(queue, { _tag: tag, name })
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => watchers.add(watcher)),
        () => Effect.sync(() => watchers.delete(watcher))
      )
      return yield* Effect.never
    })
  )

/** Makes the file operations over contents. */
export const make = (home: string, sandboxId: Id.SandboxId, held: Contents): SandboxFiles => {
  const { contents, folders } = held
  const tree = treeOf(held)
  const missing = (operation: SandboxError.Operation, path: string) =>
    SandboxError.fail(operation, new SandboxError.FileNotFound({ path }), sandboxId)

  const contentOf = Effect.fnUntraced(function* (path: string) {
    const absolute = resolve(home, path)
    if (folders.has(absolute)) {
      return yield* SandboxError.fail(
        "read",
        new SandboxError.InvalidRequest({ detail: "it is a folder" }),
        sandboxId
      )
    }
    return contents.get(absolute) ?? (yield* missing("read", path))
  })

  const stream: SandboxFiles["stream"] = (path, { limitBytes } = {}) =>
    bounded(Stream.fromEffect(contentOf(path)), { sandboxId, path, limitBytes })

  const read: SandboxFiles["read"] = (path, { limitBytes = defaultReadLimit } = {}) =>
    collectFile(stream(path, { limitBytes }))

  return {
    read,
    readString: (path, options) => Effect.map(read(path, options), (bytes) => decoder.decode(bytes)),
    stream,
    write: (path, content) =>
      Effect.sync(() =>
        tree.write(
          resolve(home, path),
          typeof content === "string" ? encoder.encode(content) : content.slice()
        )
      ),
    list: Effect.fnUntraced(function* (path) {
      const absolute = resolve(home, path)
      if (!folders.has(absolute)) return yield* missing("listFiles", path)
      return [...folders, ...contents.keys()]
        .filter((other) => other !== absolute && parent(other) === absolute)
        .map(tree.infoOf)
    }),
    stat: Effect.fnUntraced(function* (path) {
      const absolute = resolve(home, path)
      return tree.exists(absolute) ? tree.infoOf(absolute) : yield* missing("stat", path)
    }),
    remove: (path) => Effect.sync(() => tree.remove(resolve(home, path))),
    rename: Effect.fnUntraced(function* (from, to) {
      const source = resolve(home, from)
      if (!tree.exists(source)) return yield* missing("rename", from)
      tree.move(source, resolve(home, to))
    }),
    makeDir: (path) => Effect.sync(() => tree.makeFolders(resolve(home, path))),
    prepare: (all) =>
      Effect.sync(() => {
        for (const path of all.folders) tree.makeFolders(resolve(home, path))
        for (const { content, path } of all.files) {
          const bytes = typeof content === "string" ? encoder.encode(content) : content.slice()
          tree.write(resolve(home, path), bytes)
        }
        return home
      }),
    watch: (path, { recursive = false } = {}) =>
      Stream.suspend(() => {
        const folder = resolve(home, path)
        return folders.has(folder)
          ? watch(tree.watchers, folder, recursive)
          : Stream.fail(missing("watch", path))
      })
  }
}

/** The same files behind a check before every operation. */
export const guarded = (
  check: (operation: SandboxError.Operation) => Effect.Effect<SandboxFiles, SandboxError.SandboxError>
): SandboxFiles => ({
  read: (path, options) => Effect.flatMap(check("read"), (files) => files.read(path, options)),
  readString: (path, options) => Effect.flatMap(check("read"), (files) => files.readString(path, options)),
  stream: (path, options) => Stream.unwrap(Effect.map(check("read"), (files) => files.stream(path, options))),
  write: (path, content) => Effect.flatMap(check("write"), (files) => files.write(path, content)),
  list: (path) => Effect.flatMap(check("listFiles"), (files) => files.list(path)),
  stat: (path) => Effect.flatMap(check("stat"), (files) => files.stat(path)),
  remove: (path) => Effect.flatMap(check("remove"), (files) => files.remove(path)),
  rename: (from, to) => Effect.flatMap(check("rename"), (files) => files.rename(from, to)),
  makeDir: (path) => Effect.flatMap(check("makeDir"), (files) => files.makeDir(path)),
  prepare: (all) => Effect.flatMap(check("write"), (files) => files.prepare(all)),
  watch: (path, options) => Stream.unwrap(Effect.map(check("watch"), (files) => files.watch(path, options)))
})
