/**
 * Copies of the folders that a sandbox may write.
 *
 * Uses `cp`, `find` and `chown`: neither `node:fs` nor `FileSystem` keeps extended attributes, holes and hard links.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as HostProcess from "./HostProcess.ts"
import { removeTree } from "./removeTree.ts"

/** The copy failed and nothing of it is left. */
export class CopyFailed extends Schema.TaggedError<CopyFailed>()("CopyFailed", {
  /** Whether the disk is full. */
  noSpace: Schema.Boolean,
  detail: Schema.String
}) {
  override get message() {
    return `the files could not be copied: ${this.detail}`
  }
}

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

const failed = (detail: string) =>
  new CopyFailed({ noSpace: /No space left on device|Disk quota exceeded/.test(detail), detail })

const run = (command: string, args: ReadonlyArray<string>) =>
  HostProcess.run({ command, args, env }).pipe(
    Effect.mapError((error) => failed(error.message)),
    Effect.filterOrFail(
      ({ code }) => code === 0,
      ({ stderr }) => failed(stderr.trim().split("\n").at(-1) ?? `${command} was killed`)
    )
  )

/** Fails unless every path is a folder. A link in its place would be copied as a link and lead out of the sandbox. */
export const requireFolders = (paths: ReadonlyArray<string>) =>
  Effect.forEach(
    paths,
    (path) =>
      Effect.tryPromise({ try: () => Fs.lstat(path), catch: (cause) => failed(String(cause)) }).pipe(
        Effect.filterOrFail(
          (found) => found.isDirectory(),
          () => failed(`${Path.basename(path)} is not a folder`)
        )
      ),
    { discard: true }
  )

const isRoot = () => process.geteuid?.() === 0

// Does not cross mounts or follow links. Shares blocks where the file system can, and keeps holes.
const flags = process.platform === "linux" ? ["-a", "-x", "--reflink=auto"] : ["-a"]

const copy = (paths: ReadonlyArray<string>, to: string) => {
  const args = [...flags, "--", ...paths, `${to}/`]
  const plain = run("cp", args)
  if (isRoot() || process.platform !== "linux") return plain
  // A server that is not root cannot read files without permissions, but in its own user namespace it can.
  return Effect.catchIf(
    plain,
    ({ noSpace }) => !noSpace,
    (error) =>
      Effect.forEach(paths, (path) => removeTree(Path.join(to, Path.basename(path)))).pipe(
        Effect.andThen(run("unshare", ["--user", "--map-root-user", "--", "cp", ...args])),
        Effect.mapError(() => error)
      )
  )
}

/** The owners of a copy on the host: of the files of `user`, and of those of `root`. */
interface Owners {
  readonly user: number
  readonly root: Option.Option<number>
}

const change = (paths: ReadonlyArray<string>, condition: ReadonlyArray<string>, uid: number) =>
  run("find", [...paths, ...condition, "-exec", "chown", "-h", `${uid}:${uid}`, "--", "{}", "+"])

/** Changes the owners. That clears the setuid and setgid bits, so they are set again afterwards. */
const own = Effect.fnUntraced(function* (
  paths: ReadonlyArray<string>,
  owners: Owners,
  formerRoot: Option.Option<number>
) {
  const { stdout } = yield* run("find", [...paths, "-type", "f", "-perm", "/6000", "-printf", "%m\\0%p\\0"])
  if (Option.isSome(owners.root) && Option.isSome(formerRoot)) {
    const ofRoot = ["-uid", `${formerRoot.value}`]
    yield* change(paths, ["!", ...ofRoot], owners.user)
    yield* change(paths, ofRoot, owners.root.value)
  } else yield* run("chown", ["-hR", `${owners.user}:${owners.user}`, "--", ...paths])
  const fields = stdout.toString("latin1").split("\0")
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const path = Buffer.from(fields[at + 1] ?? "", "latin1")
    yield* Effect.tryPromise({
      try: () => Fs.chmod(path, Number.parseInt(fields[at] ?? "0", 8)),
      catch: (cause) => failed(String(cause))
    })
  }
})

/**
 * Copies the folders `names` of `from` into the folder `to`, with permissions, times, links, extended attributes and
 * holes.
 *
 * **Details**
 *
 * The copy belongs to `owners` where they are given. The owner of `rootFolder` in `from` tells which files are those of
 * `root`. After a failure or an interruption nothing of the copy is left.
 *
 * **Gotchas**
 *
 * No process may write to the folders during the copy.
 */
export const folders = Effect.fn("copyTree.folders")(function* (options: {
  readonly names: ReadonlyArray<string>
  readonly from: string
  readonly to: string
  readonly owners: Option.Option<Owners>
  readonly rootFolder?: string
}) {
  const sources = options.names.map((name) => Path.join(options.from, name))
  const targets = options.names.map((name) => Path.join(options.to, name))
  yield* requireFolders(sources)
  const { rootFolder } = options
  const formerRoot =
    rootFolder !== undefined && options.names.includes(rootFolder)
      ? yield* Effect.option(Effect.tryPromise(() => Fs.lstat(Path.join(options.from, rootFolder))))
      : Option.none()
  const changeOwners = Option.match(options.owners, {
    onNone: () => Effect.void,
    onSome: (owners) =>
      own(
        targets,
        owners,
        Option.map(formerRoot, ({ uid }) => uid)
      )
  })
  yield* copy(sources, options.to).pipe(
    Effect.andThen(changeOwners),
    Effect.onError(() => Effect.forEach(targets, removeTree, { discard: true }))
  )
})
