import { Id } from "@remote-agent/domain"
import { Effect, Path, Stdio, Stream } from "effect"
import * as AgentSandbox from "../../../app/AgentSandbox.ts"
import type * as App from "../../../app/App.ts"
import { land, nameOf, parse, type Place } from "./location.ts"
import { here, type Side, there } from "./side.ts"
import { type Failure, NotFound, type Run, Usage } from "../../../ui/Failure.ts"
import { CommandHost } from "../../../process/CommandHost.ts"
import { line, Screen } from "../../../ui/Screen.ts"

/** The flags of `cp`. */
export interface CopyFlags extends App.AppFlags {
  readonly from: string
  readonly to: string
  readonly force: boolean
  readonly json: boolean
}

/** How many files are on the way at the same time. */
const concurrency = 8

interface Copied {
  readonly to: string
  readonly files: number
  readonly bytes: number
  /** What is neither file nor folder and was left out. */
  readonly skipped: ReadonlyArray<string>
}

interface Found {
  readonly folders: ReadonlyArray<string>
  readonly files: ReadonlyArray<string>
  readonly skipped: ReadonlyArray<string>
}

/** Everything below a folder, by paths that start there. */
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

/** Has something take the place of what is at a path once it is whole; until then nothing has changed there. */
const placing = Effect.fnUntraced(function* <A>(
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
    (file) =>
      Effect.flatMap(from.read(source + file), (bytes) =>
        Effect.as(to.write(target + file, bytes), bytes.length)
      ),
    { concurrency }
  )
  const programs = yield* from.executables(source)
  yield* to.makeExecutable(files.filter((file) => programs.has(source + file)).map((file) => target + file))
  return { files: files.length, bytes: sizes.reduce((sum, size) => sum + size, 0), skipped }
})

const copyFile = Effect.fnUntraced(function* (from: Side, source: string, to: Side, target: string) {
  const bytes = yield* from.read(source)
  yield* to.write(target, bytes)
  if ((yield* from.executables(source)).size > 0) yield* to.makeExecutable([target])
  return { files: 1, bytes: bytes.length, skipped: [] }
})

/** Where a copy ends: in a folder that is there under its own name, else at the path itself. */
const landing = Effect.fnUntraced(function* (
  to: Side,
  path: string,
  name: string,
  type: "file" | "folder",
  force: boolean
) {
  const asked = yield* to.resolve(path)
  const into = path.endsWith("/") || (yield* to.typeOf(asked)) === "folder"
  if (into && name === "") {
    return yield* new Usage({ message: `What comes into ${path} needs a name. Name the file as well.` })
  }
  const target = into ? `${asked.replace(/\/+$/, "")}/${name}` : asked
  const landed = land(target, type, yield* to.typeOf(target), force)
  if (landed._tag === "At") return landed
  return yield* new Usage({
    message: `There is a ${landed.existing} at ${target} already. Say --force to replace it by the ${type}.`
  })
})

/** Copies from one side to the other; nothing is at the end before all of it is. */
const copy = Effect.fnUntraced(function* (
  [from, fromPath]: readonly [Side, string],
  [to, toPath]: readonly [Side, string],
  force: boolean
) {
  const source = (yield* from.resolve(fromPath)).replace(/(.)\/+$/, "$1")
  const type = yield* from.typeOf(source)
  if (type === "nothing") {
    return yield* new NotFound({ message: `There is no ${fromPath} to copy. Check the path.` })
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

/** The agent of a copy. Fails with `Usage` when not exactly one side is in a sandbox. */
const agentOf = Effect.fnUntraced(function* (from: Place, to: Place, json: boolean) {
  if (to._tag === "Pipe" && json) {
    return yield* new Usage({
      message: "Standard output cannot be both the file and JSON. Leave --json out."
    })
  }
  if (from._tag === "There" && to._tag !== "There") return from.agent
  if (to._tag === "There" && from._tag !== "There") return to.agent
  return yield* new Usage({
    message: "One side of a copy is here, and the other in a sandbox. Write that one as agent:path."
  })
})

const sideOf = Effect.fnUntraced(function* (place: Place, inSandbox: Side) {
  const [{ cwd }, path] = [yield* CommandHost, yield* Path.Path]
  switch (place._tag) {
    case "There":
      return [inSandbox, place.path] as const
    case "Here": {
      // A slash at the end says that it is a folder.
      const slash = place.path.endsWith("/") ? "/" : ""
      return [yield* here(cwd), path.resolve(cwd, place.path) + slash] as const
    }
    case "Pipe":
      return undefined
  }
})

/**
 * Copies files and folders into and out of the sandbox of an agent, byte by byte; `-` is standard input or output.
 * What is at the end changes once the copy is whole, or not at all. Links and the like are left out, and named.
 */
export const run = Effect.fn("cp")(function* ({ force, json, ...rest }: CopyFlags): Run<Stdio.Stdio> {
  const { from: fromText, to: toText, ...flags } = rest
  const [{ note, out }, stdio] = [yield* Screen, yield* Stdio.Stdio]
  const [from, to] = [parse(fromText), parse(toText)]
  const agent = yield* agentOf(from, to, json)
  const copying = Effect.fnUntraced(function* ({ sandbox }: AgentSandbox.AgentSandbox) {
    const inSandbox = there(sandbox)
    const [source, target] = [yield* sideOf(from, inSandbox), yield* sideOf(to, inSandbox)]
    if (source !== undefined && target !== undefined) return yield* copy(source, target, force)
    if (target !== undefined) {
      const { path, replace } = yield* landing(target[0], target[1], "", "file", force)
      const bytes = yield* Stream.mkUint8Array(Stream.orDie(stdio.stdin))
      yield* replace
        ? placing(inSandbox, path, replace, (draft) => inSandbox.write(draft, bytes))
        : inSandbox.write(path, bytes)
      return { to: path, files: 1, bytes: bytes.length, skipped: [] } satisfies Copied
    }
    if (source !== undefined) {
      const bytes = yield* inSandbox.read(source[1])
      yield* Effect.orDie(Stream.run(Stream.succeed(bytes), stdio.stdout()))
    }
    return undefined
  })
  const copied = yield* AgentSandbox.use(flags, agent, copying)
  if (copied === undefined) return
  const { bytes, files, skipped } = copied
  for (const path of skipped) yield* line(note, `Left out, as it is neither file nor folder: ${path}`)
  yield* line(
    out,
    json
      ? JSON.stringify(copied)
      : `Copied ${files} ${files === 1 ? "file" : "files"}, ${bytes} bytes, to ${copied.to}.`
  )
})
