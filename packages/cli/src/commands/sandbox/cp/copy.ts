import { Id } from "@remote-agent/domain"
import { Effect } from "effect"
import { type Failure, NotFound, Usage } from "../../../ui/Failure.ts"
import { land, type Landing, nameOf } from "./location.ts"
import type { Side } from "./side.ts"

/** How many files are copied at the same time. */
const concurrency = 8

/** The result of a copy. */
export interface Copied {
  readonly to: string
  readonly files: number
  readonly bytes: number
  /** Entries that were left out, such as symbolic links. */
  readonly skipped: ReadonlyArray<string>
}

interface Found {
  readonly folders: ReadonlyArray<string>
  readonly files: ReadonlyArray<string>
  readonly skipped: ReadonlyArray<string>
}

/** Everything below a folder, by relative path. */
const walk = (side: Side, root: string, below: string): Effect.Effect<Found, Failure> =>
  Effect.gen(function* () {
    const entries = yield* side.list(root + below)
    const of = (type: string) =>
      entries.filter((entry) => entry.type === type).map(({ name }) => `${below}/${name}`)
    const folders = of("folder")
    const inner = yield* Effect.forEach(folders, (folder) => walk(side, root, folder))
    return {
      folders: [...folders, ...inner.flatMap((found) => found.folders)],
      files: [...of("file"), ...inner.flatMap((found) => found.files)],
      skipped: [...of("other"), ...inner.flatMap((found) => found.skipped)]
    }
  })

/** Makes something beside a path and then moves it there, so that the path never holds half of it. */
export const placing = Effect.fnUntraced(function* <A>(
  to: Side,
  path: string,
  replace: boolean,
  make: (draft: string) => Effect.Effect<A, Failure>
) {
  const at = path.lastIndexOf("/") + 1
  const draft = `${path.slice(0, at)}.${path.slice(at)}.${yield* Id.nextToken}.part`
  return yield* make(draft).pipe(
    Effect.tap(() => (replace ? to.remove(path) : Effect.void)),
    Effect.tap(() => to.rename(draft, path)),
    Effect.onError(() => Effect.ignore(to.remove(draft), { log: true }))
  )
})

const copyFolder = Effect.fnUntraced(function* (from: Side, source: string, to: Side, target: string) {
  const { files, folders, skipped } = yield* walk(from, source, "")
  yield* to.makeFolder(target)
  yield* Effect.forEach(folders, (folder) => to.makeFolder(target + folder), { concurrency, discard: true })
  const sizes = yield* Effect.forEach(
    files,
    (file) => to.writeStream(target + file, from.stream(source + file)),
    { concurrency }
  )
  const programs = yield* from.executables(source)
  yield* to.makeExecutable(files.filter((file) => programs.has(source + file)).map((file) => target + file))
  return { files: files.length, bytes: sizes.reduce((sum, size) => sum + size, 0), skipped }
})

const copyFile = Effect.fnUntraced(function* (from: Side, source: string, to: Side, target: string) {
  const bytes = yield* to.writeStream(target, from.stream(source))
  if ((yield* from.executables(source)).size > 0) yield* to.makeExecutable([target])
  return { files: 1, bytes, skipped: [] }
})

/** The path that a copy ends at: its own name in an existing folder, or else the given path. */
export const landing = Effect.fnUntraced(function* (
  to: Side,
  path: string,
  name: string,
  type: "file" | "folder",
  force: boolean
): Effect.fn.Return<Extract<Landing, { readonly _tag: "At" }>, Failure> {
  const asked = yield* to.resolve(path)
  const into = path.endsWith("/") || (yield* to.typeOf(asked)) === "folder"
  if (into && name === "") {
    return yield* new Usage({ message: `A file in ${path} needs a name. Give the whole path.` })
  }
  const target = into ? `${asked.replace(/\/+$/, "")}/${name}` : asked
  const landed = land(target, type, yield* to.typeOf(target), force)
  if (landed._tag === "At") return landed
  return yield* new Usage({
    message: `There is already a ${landed.existing} at ${target}. Give --force to replace it with the ${type}.`
  })
})

/** Copies from one side to the other, whole or not at all. */
export const copy = Effect.fnUntraced(function* (
  [from, fromPath]: readonly [Side, string],
  [to, toPath]: readonly [Side, string],
  force: boolean
) {
  const source = (yield* from.resolve(fromPath)).replace(/(.)\/+$/, "$1")
  const type = yield* from.typeOf(source)
  if (type === "nothing") {
    return yield* new NotFound({ message: `There is no file ${fromPath}. Check the path.` })
  }
  const { path, replace } = yield* landing(to, toPath, nameOf(source), type, force)
  const done = yield* type === "folder"
    ? placing(to, path, replace, (draft) => copyFolder(from, source, to, draft))
    : replace
      ? placing(to, path, replace, (draft) => copyFile(from, source, to, draft))
      : copyFile(from, source, to, path)
  const copied: Copied = { to: path, ...done }
  return copied
})
