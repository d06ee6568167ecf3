/**
 * Copies of the folders that a sandbox may write.
 *
 * Uses `cp`, `find` and `chown`: neither `node:fs` nor `FileSystem` keeps extended attributes, holes and hard links.
 * They run confined, so that the links in the folders lead nowhere, also while a program changes them.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Confined from "./confined.ts"
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

// Does not cross mounts or follow links. Shares blocks where the file system can, and keeps holes.
const flags = process.platform === "linux" ? ["-a", "-x", "--reflink=auto"] : ["-a"]

// $1 and $2 are the new owners of the files of `user` and of `root`, $3 is the former one of `root`; each may be empty.
// The names of the folders follow. A change of the owner clears the setuid and setgid bits, so they are set again.
const script = `
user=$1 root=$2 former=$3; shift 3
cd /from || exit 1
cp ${flags.join(" ")} -- "$@" /to/ || exit 1
[ -n "$user" ] || exit 0
cd /to || exit 1
own() {
  uid=$1; shift
  find "$@" ! '(' -type f -perm /6000 ')' -exec chown -h "$uid:$uid" -- {} + || exit 1
  find "$@" -type f -perm /6000 -exec sh -c '
    uid=$1; shift
    for file; do
      mode=$(find "$file" -maxdepth 0 -printf %m) && chown -h "$uid:$uid" -- "$file" && chmod "$mode" -- "$file" || exit 1
    done' sh "$uid" {} + || exit 1
}
for name; do
  if [ -n "$root" ] && [ -n "$former" ]; then
    own "$user" "$name" ! -uid "$former"
    own "$root" "$name" -uid "$former"
  else own "$user" "$name"; fi
done`

/** The owners of a copy on the host: of the files of `user`, and of those of `root`. */
interface Owners {
  readonly user: number
  readonly root: Option.Option<number>
}

/** What to copy. */
interface Options {
  readonly names: ReadonlyArray<string>
  readonly from: string
  readonly to: string
  readonly owners: Option.Option<Owners>
  readonly rootFolder?: string
  /**
   * Whether the copy may run without a namespace of its own where the host cannot make one. Only for folders whose
   * programs can read the files of the server anyway.
   */
  readonly unconfined?: boolean
}

const text = (uid: Option.Option<number>) => Option.match(uid, { onNone: () => "", onSome: String })

const copy = Effect.fnUntraced(function* (options: Options, formerRoot: Option.Option<number>) {
  const user = Option.map(options.owners, (owners) => owners.user)
  const root = Option.flatMap(options.owners, (owners) => owners.root)
  const confined = yield* Confined.run({
    script,
    args: [text(user), text(root), text(formerRoot), ...options.names],
    folders: [
      { source: options.from, target: "/from", writable: false },
      { source: options.to, target: "/to", writable: true }
    ]
  })
  if (confined !== undefined) return confined
  if (options.unconfined !== true || Option.isSome(options.owners)) {
    return yield* failed("copies of isolated sandboxes need perl and permission to make mount namespaces")
  }
  const sources = options.names.map((name) => Path.join(options.from, name))
  return yield* HostProcess.run({ command: "cp", args: [...flags, "--", ...sources, `${options.to}/`], env })
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
 * A program that changes the folders during the copy can make it fail or incomplete. It cannot lead it elsewhere.
 */
export const folders = Effect.fn("copyTree.folders")(function* (options: Options) {
  yield* requireFolders(options.names.map((name) => Path.join(options.from, name)))
  const { rootFolder } = options
  const formerRoot =
    rootFolder !== undefined && options.names.includes(rootFolder)
      ? yield* Effect.option(Effect.tryPromise(() => Fs.lstat(Path.join(options.from, rootFolder))))
      : Option.none()
  yield* copy(
    options,
    Option.map(formerRoot, ({ uid }) => uid)
  ).pipe(
    Effect.catchTag("HostProcessError", (error) => Effect.fail(failed(error.message))),
    Effect.filterOrFail(
      ({ code }) => code === 0,
      ({ stderr }) => failed(stderr.trim().split("\n").at(-1) ?? "the copy was killed")
    ),
    Effect.onError(() =>
      Effect.forEach(
        options.names.map((name) => Path.join(options.to, name)),
        removeTree,
        { discard: true }
      )
    )
  )
})
