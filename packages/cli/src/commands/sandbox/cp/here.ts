import { Effect, FileSystem, Path, type PlatformError, Stream } from "effect"
import { NotFound, Usage } from "../../../ui/Failure.ts"
import type { Existing } from "./location.ts"
import type { Side } from "./side.ts"
import { pack } from "./tar/pack.ts"
import { CopyRefused } from "./tar/report.ts"
import { type Limits, Unpacking } from "./tar/Unpacking.ts"

const failed = (what: string, path: string) => (error: PlatformError.PlatformError) =>
  error.reason._tag === "NotFound"
    ? new NotFound({ message: `There is no file ${path}. Check the path.` })
    : new Usage({
        message: `${path} cannot be ${what} (${error.reason._tag}). Check the path and its permissions.`
      })

/** A failure of node:fs or of the archive. Only what is written for people keeps its words. */
const refused = (what: string, path: string) => (error: unknown) => {
  if (error instanceof CopyRefused) return new Usage({ message: error.message })
  const code = error instanceof Error && "code" in error ? String(error.code) : "it is no complete archive"
  return code === "ENOENT"
    ? new NotFound({ message: `There is no file ${path}. Check the path.` })
    : new Usage({ message: `${path} cannot be ${what} (${code}). Check the path and its permissions.` })
}

/** The files of this machine. Relative paths start at `cwd`. The limits apply to what is written here. */
export const here = Effect.fnUntraced(function* (cwd: string, limits: Limits) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]

  const side: Side = {
    counts: true,
    resolve: (file) => Effect.succeed(path.resolve(cwd, file)),
    typeOf: (file) =>
      fs.stat(file).pipe(
        Effect.map(({ type }): Existing => (type === "Directory" ? "folder" : "file")),
        Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed<Existing>("nothing")),
        Effect.mapError(failed("read", file))
      ),
    makeFolder: (folder) =>
      Effect.mapError(fs.makeDirectory(folder, { recursive: true }), failed("created", folder)),
    remove: (file) =>
      Effect.mapError(fs.remove(file, { recursive: true, force: true }), failed("removed", file)),
    rename: (from, to) => Effect.mapError(fs.rename(from, to), failed("written", to)),
    pack: (file, type, report) =>
      Stream.suspend(() => Stream.fromAsyncIterable(pack(file, type, report), refused("read", file))),
    unpack: (archive, type, at, report) => {
      const attempt = (run: () => Promise<void>) =>
        Effect.tryPromise({ try: run, catch: refused("written", at) })
      return Effect.acquireUseRelease(
        Effect.sync(() => new Unpacking(at, type, limits, report)),
        (unpacking) =>
          Effect.andThen(
            Stream.runForEach(archive, (bytes) => attempt(() => unpacking.feed(bytes))),
            attempt(() => unpacking.end())
          ),
        (unpacking) => Effect.promise(() => unpacking.close())
      )
    }
  }
  return side
})
