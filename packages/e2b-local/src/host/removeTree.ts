/**
 * Removal of folders whose content is not trusted.
 *
 * Uses `rm` instead of `node:fs` or `FileSystem`: both follow the path by name again for every entry, while `rm` holds
 * the folder that it is in. Both also stop at folders that a program has made unreadable.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as Fs from "node:fs/promises"
import * as Confined from "./confined.ts"
import * as HostProcess from "./HostProcess.ts"

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

const exists = (path: string) =>
  Effect.map(Effect.option(Effect.tryPromise(() => Fs.lstat(path))), Option.isSome)

// `chmod` follows a link that takes the place of a file, so it runs only where a link leads nowhere.
const script = "chmod -R u+rwx -- /tree 2>/dev/null; find /tree -mindepth 1 -maxdepth 1 -exec rm -rf -- {} +"

/** Removes a folder with everything in it. Logs a warning when it cannot be removed. */
export const removeTree = Effect.fnUntraced(function* (path: string) {
  const rm = Effect.ignore(HostProcess.run({ command: "rm", args: ["-rf", "--", path], env }))
  yield* rm
  if (!(yield* exists(path))) return
  // A program may have removed its own permissions on a folder.
  yield* Effect.ignore(
    Confined.run({ script, args: [], folders: [{ source: path, target: "/tree", writable: true }] })
  )
  yield* rm
  if (yield* exists(path)) yield* Effect.logWarning(`The folder ${path} could not be removed`)
})
