/**
 * Copies of the folders that a sandbox may write.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as HostProcess from "./HostProcess.ts"
import { FileError } from "../isolation/SandboxRuntime.ts"
import * as OrphanCleanup from "../sandboxes/OrphanCleanup.ts"

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

const failed = (detail: string) =>
  new FileError({
    reason: /No space left on device|Disk quota exceeded/.test(detail) ? "NoSpace" : "Failed",
    message: `the files could not be copied: ${detail}`
  })

const run = (command: string, args: ReadonlyArray<string>) =>
  HostProcess.run({ command, args, env }).pipe(
    Effect.mapError((error) => failed(error.message)),
    Effect.filterOrFail(
      ({ code }) => code === 0,
      ({ stderr }) => failed(stderr.trim().split("\n").at(-1) ?? `${command} was killed`)
    )
  )

/** Folders themselves: a link in their place would be copied as a link, and lead out of the sandbox that gets it. */
const requireFolders = (paths: ReadonlyArray<string>) =>
  Effect.forEach(
    paths,
    (path) =>
      Effect.tryPromise({ try: () => Fs.lstat(path), catch: (cause) => failed(String(cause)) }).pipe(
        Effect.filterOrFail(
          (found) => found.isDirectory(),
          () => failed(`${Path.basename(path)} is no folder any more`)
        )
      ),
    { discard: true }
  )

const isRoot = () => process.geteuid?.() === 0

// Never across a mount, never through a link; blocks are shared where the file system can, and holes stay holes.
const flags = process.platform === "linux" ? ["-a", "-x", "--reflink=auto"] : ["-a"]

const copy = (paths: ReadonlyArray<string>, to: string) => {
  const args = [...flags, "--", ...paths, `${to}/`]
  const plain = run("cp", args)
  if (isRoot() || process.platform !== "linux") return plain
  // Who is not root cannot read what he has closed to himself, but in a user namespace of his own he can.
  return Effect.catchIf(
    plain,
    ({ reason }) => reason !== "NoSpace",
    (error) =>
      Effect.forEach(paths, (path) => OrphanCleanup.removeTree(Path.join(to, Path.basename(path)))).pipe(
        Effect.andThen(run("unshare", ["--user", "--map-root-user", "--", "cp", ...args])),
        Effect.mapError(() => error)
      )
  )
}

/** Gives everything to another user. A change of owner takes the bits setuid and setgid away, so they are set again. */
const own = Effect.fnUntraced(function* (paths: ReadonlyArray<string>, uid: number) {
  const { stdout } = yield* run("find", [...paths, "-type", "f", "-perm", "/6000", "-printf", "%m\\0%p\\0"])
  yield* run("chown", ["-hR", `${uid}:${uid}`, "--", ...paths])
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
 * holes, and to the user `owner` where one is given. Nobody may write to them meanwhile. Fails with `NoSpace` or `Failed`; then,
 * and when it is interrupted, nothing of the copies is left.
 */
export const folders = Effect.fn("copyTree.folders")(function* (options: {
  readonly names: ReadonlyArray<string>
  readonly from: string
  readonly to: string
  readonly owner: Option.Option<number>
}) {
  const sources = options.names.map((name) => Path.join(options.from, name))
  const targets = options.names.map((name) => Path.join(options.to, name))
  yield* requireFolders(sources)
  yield* copy(sources, options.to).pipe(
    Effect.andThen(
      Option.match(options.owner, { onNone: () => Effect.void, onSome: (uid) => own(targets, uid) })
    ),
    Effect.onError(() => Effect.forEach(targets, OrphanCleanup.removeTree, { discard: true }))
  )
})
