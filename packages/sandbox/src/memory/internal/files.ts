import { type Id, SandboxError } from "@remote-agent/domain"
import { Effect, Queue, Stream } from "effect"
import type { FileEvent, FileInfo, SandboxFiles } from "../../Sandbox.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The absolute path that `path` means in `folder`. */
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

/** What there is in memory: bytes by absolute path, and the folders around them. */
export interface Contents {
  readonly contents: Map<string, Uint8Array>
  readonly folders: Set<string>
}

/** Nothing but a home folder. */
export const empty = (home: string): Contents => ({ contents: new Map(), folders: new Set(["/", home]) })

/** The same again, of its own; the bytes of a file are never changed in place. */
export const copy = ({ contents, folders }: Contents): Contents => ({
  contents: new Map(contents),
  folders: new Set(folders)
})

/** Files of a sandbox that lives in memory. */
export const make = (
  home: string,
  sandboxId: Id.SandboxId,
  { contents, folders }: Contents
): SandboxFiles => {
  const watchers = new Set<(tag: FileEvent["_tag"], path: string) => void>()
  const tell = (tag: FileEvent["_tag"], path: string): void => {
    for (const watcher of watchers) watcher(tag, path)
  }
  const makeFolders = (path: string): void => {
    const made: Array<string> = []
    for (let at = path; !folders.has(at); at = parent(at)) {
      folders.add(at)
      made.unshift(at)
    }
    for (const folder of made) tell("Created", folder)
  }
  const missing = (operation: SandboxError.Operation, path: string) =>
    SandboxError.fail(operation, new SandboxError.FileNotFound({ path }), sandboxId)
  const infoOf = (path: string): FileInfo => ({
    path,
    name: path.slice(path.lastIndexOf("/") + 1),
    type: folders.has(path) ? "directory" : "file",
    size: contents.get(path)?.length ?? 0
  })
  const exists = (path: string) => folders.has(path) || contents.has(path)

  const read = Effect.fnUntraced(function* (path: string) {
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

  return {
    read,
    readString: (path) => Effect.map(read(path), (bytes) => decoder.decode(bytes)),
    write: (path, content) =>
      Effect.sync(() => {
        const absolute = resolve(home, path)
        makeFolders(parent(absolute))
        const isNew = !contents.has(absolute)
        contents.set(absolute, typeof content === "string" ? encoder.encode(content) : content.slice())
        if (isNew) tell("Created", absolute)
        tell("Written", absolute)
      }),
    list: Effect.fnUntraced(function* (path) {
      const absolute = resolve(home, path)
      if (!folders.has(absolute)) return yield* missing("listFiles", path)
      return [...folders, ...contents.keys()]
        .filter((other) => other !== absolute && parent(other) === absolute)
        .map(infoOf)
    }),
    stat: Effect.fnUntraced(function* (path) {
      const absolute = resolve(home, path)
      return exists(absolute) ? infoOf(absolute) : yield* missing("stat", path)
    }),
    remove: (path) =>
      Effect.sync(() => {
        const isBelow = below(resolve(home, path))
        for (const file of contents.keys()) {
          if (isBelow(file) && contents.delete(file)) tell("Removed", file)
        }
        for (const folder of folders) if (isBelow(folder) && folders.delete(folder)) tell("Removed", folder)
      }),
    rename: Effect.fnUntraced(function* (from, to) {
      const [source, target] = [resolve(home, from), resolve(home, to)]
      if (!exists(source)) return yield* missing("rename", from)
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
      tell("Renamed", source)
      tell("Created", target)
    }),
    makeDir: (path) => Effect.sync(() => makeFolders(resolve(home, path))),
    watch: (path, { recursive = false } = {}) =>
      Stream.callback<FileEvent, SandboxError.SandboxError>(
        Effect.fnUntraced(function* (queue) {
          const folder = resolve(home, path)
          if (!folders.has(folder)) return yield* missing("watch", path)
          const prefix = folder === "/" ? "/" : `${folder}/`
          const watcher = (tag: FileEvent["_tag"], at: string) => {
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
  }
}

/** The same files behind a check that is made before every operation. */
export const guarded = (
  check: (operation: SandboxError.Operation) => Effect.Effect<SandboxFiles, SandboxError.SandboxError>
): SandboxFiles => ({
  read: (path) => Effect.flatMap(check("read"), (files) => files.read(path)),
  readString: (path) => Effect.flatMap(check("read"), (files) => files.readString(path)),
  write: (path, content) => Effect.flatMap(check("write"), (files) => files.write(path, content)),
  list: (path) => Effect.flatMap(check("listFiles"), (files) => files.list(path)),
  stat: (path) => Effect.flatMap(check("stat"), (files) => files.stat(path)),
  remove: (path) => Effect.flatMap(check("remove"), (files) => files.remove(path)),
  rename: (from, to) => Effect.flatMap(check("rename"), (files) => files.rename(from, to)),
  makeDir: (path) => Effect.flatMap(check("makeDir"), (files) => files.makeDir(path)),
  watch: (path, options) => Stream.unwrap(Effect.map(check("watch"), (files) => files.watch(path, options)))
})
