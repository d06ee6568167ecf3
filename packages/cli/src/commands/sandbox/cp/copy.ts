import { Id } from "@remote-agent/domain"
import { Effect } from "effect"
import { type Failure, NotFound, Usage } from "../../../ui/Failure.ts"
import { land, type Landing, nameOf } from "./location.ts"
import type { Side } from "./side.ts"
import { only } from "./tar/pack.ts"
import { empty, type Report } from "./tar/report.ts"

/** Makes something in a folder beside a path and then moves it there, so that the path never holds half of it. */
export const placing = Effect.fnUntraced(function* <A, R>(
  to: Side,
  path: string,
  replace: boolean,
  make: (draft: string) => Effect.Effect<A, Failure, R>
) {
  const at = path.lastIndexOf("/") + 1
  const folder = `${path.slice(0, at)}.${path.slice(at)}.${yield* Id.nextToken}.part`
  const draft = `${folder}/${only}`
  return yield* Effect.acquireUseRelease(
    to.makeFolder(folder),
    () =>
      make(draft).pipe(
        Effect.tap(() => (replace ? to.remove(path) : Effect.void)),
        Effect.tap(() => to.rename(draft, path))
      ),
    () => Effect.ignore(to.remove(folder), { log: true })
  )
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

/** Copies a file or folder from one side to the other, whole or not at all. Returns the path that it ended at. */
export const copy = Effect.fnUntraced(function* (
  [from, fromPath]: readonly [Side, string],
  [to, toPath]: readonly [Side, string],
  force: boolean,
  report: Report
) {
  const source = (yield* from.resolve(fromPath)).replace(/(.)\/+$/, "$1")
  const type = yield* from.typeOf(source)
  if (type === "nothing") {
    return yield* new NotFound({ message: `There is no file ${fromPath}. Check the path.` })
  }
  const { path, replace } = yield* landing(to, toPath, nameOf(source), type, force)
  const [packed, unpacked] = from.counts ? [report, empty()] : [empty(), report]
  const archive = from.pack(source, type, packed)
  yield* placing(to, path, replace, (draft) => to.unpack(archive, type, draft, unpacked))
  return path
})
