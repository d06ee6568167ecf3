import type { Sandbox } from "@remote-agent/sandbox"
import { Deferred, Effect, Result, Stream } from "effect"
import { posix } from "node:path"
import { type Failure, Usage } from "../../../ui/Failure.ts"
import type { Existing } from "./location.ts"
import type { Side } from "./side.ts"

/**
 * Writes a tar as base64, because a sandbox reports output as text. The exit code is that of tar, but for the warning of
 * GNU tar that a file changed while it was read.
 */
const packScript = `exec 3>&1
code=$({ { tar -c -f - "$@" 3>&- 4>&-; printf %s "$?" >&4; } | base64 >&3 4>&-; } 4>&1)
if [ "$code" = 1 ] && tar --version 2>/dev/null | grep -q GNU; then code=0; fi
exit "$code"`

/**
 * Unpacks a tar that arrives in parts: files whose names are read from standard input, and which are removed as they are
 * read. Files travel faster than standard input, of which each piece is a request.
 */
const unpackScript = `cd -- "$1" || exit 1
[ "$2" = . ] || mkdir -- "$2" || exit 1
while IFS= read -r part; do cat -- "$part" && rm -f -- "$part" || exit 1; done | tar -x -o -m -f - -C "$2"`

/** Whether a shell reports with this exit code that it cannot run a program. */
const isMissing = (code: number): boolean => code === 126 || code === 127

/** Turns pieces of base64 into bytes. */
const decoder = () => {
  let pending = ""
  return (text: string): Uint8Array => {
    pending += text.replaceAll("\n", "")
    const whole = pending.length - (pending.length % 4)
    const bytes = Buffer.from(pending.slice(0, whole), "base64")
    pending = pending.slice(whole)
    return bytes
  }
}

const failedWith = (what: string, path: string, code: number) =>
  new Usage({
    message: isMissing(code)
      ? `The sandbox has no tar or no base64, so ${path} cannot be ${what}. Install them in the sandbox.`
      : `${path} cannot be ${what} in the sandbox (tar ended with exit code ${code}). Check the path, its permissions and the disk.`
  })

const packing =
  ({ spawn }: Sandbox.Sandbox): Side["pack"] =>
  (path, type) => {
    const words =
      type === "folder" ? ["-C", path, "."] : ["-h", "-C", posix.dirname(path), "--", posix.basename(path)]
    return Stream.suspend(() => {
      const decode = decoder()
      return Stream.filterMapEffect(spawn({ argv: ["sh", "-c", packScript, "sh", ...words] }), (event) => {
        if (event._tag === "Stdout") return Effect.succeed(Result.succeed(decode(event.text)))
        if (event._tag !== "Exit" || event.exitCode === 0) return Effect.succeed(Result.failVoid)
        return Effect.fail(failedWith("read", path, event.exitCode))
      })
    })
  }

const unpacking =
  ({ files, spawn }: Sandbox.Sandbox): Side["unpack"] =>
  (archive, type, at) =>
    Effect.gen(function* () {
      const failure = yield* Deferred.make<never, Failure>()
      const [folder, name] = [posix.dirname(at), posix.basename(at)]
      const names = Stream.mapEffect(Stream.zipWithIndex(archive), ([bytes, index]) => {
        const part = `.part-${index}`
        return Effect.as(files.write(posix.join(folder, part), bytes), new TextEncoder().encode(`${part}\n`))
      })
      // The command must not take a part of the archive for all of it.
      const input = Stream.catch(names, (error) =>
        Stream.fromEffect(Effect.andThen(Deferred.fail(failure, error), Effect.never))
      )
      const words = [folder, type === "folder" ? name : "."]
      const run = Stream.runFold(
        spawn({ argv: ["sh", "-c", unpackScript, "sh", ...words] }, input),
        () => -1,
        (code, event) => (event._tag === "Exit" ? event.exitCode : code)
      )
      const code = yield* Effect.raceFirst(run, Deferred.await(failure))
      if (code !== 0) return yield* failedWith("written", at, code)
    })

/** The files of a sandbox. Relative paths start at its home folder, which `~` names too. */
export const there = (sandbox: Sandbox.Sandbox): Side => {
  const { exec, files } = sandbox

  /** Fails for a device, a FIFO or a socket, and for a link to one. The limits of a copy hold for one that lies. */
  const regular = (path: string) =>
    Effect.flatMap(exec({ argv: ["test", "-f", path] }), ({ exitCode }): Effect.Effect<Existing, Failure> =>
      exitCode === 0
        ? Effect.succeed("file")
        : Effect.fail(new Usage({ message: `${path} is neither a file nor a folder. Check the path.` }))
    )

  const lists = (path: string) =>
    files.list(path).pipe(
      Effect.as<Existing>("folder"),
      Effect.catchReason("SandboxError", "InvalidRequest", () => Effect.succeed<Existing>("file"))
    )

  return {
    counts: false,
    resolve: (path) => {
      if (path.startsWith("/")) return Effect.succeed(posix.normalize(path))
      const below = path === "~" ? "." : path.startsWith("~/") ? `.${path.slice(1)}` : path
      return Effect.map(files.stat("."), (home) => posix.join(home.path, below))
    },
    typeOf: (path) =>
      files.stat(path).pipe(
        Effect.flatMap(({ type }): Effect.Effect<Existing, Failure> => {
          if (type === "directory" || type === "file")
            return Effect.succeed(type === "file" ? "file" : "folder")
          // The type of a link does not say what it points to.
          return type === "symlink"
            ? Effect.flatMap(lists(path), (found) =>
                found === "file" ? regular(path) : Effect.succeed(found)
              )
            : regular(path)
        }),
        Effect.catchReason("SandboxError", "FileNotFound", () => Effect.succeed<Existing>("nothing"))
      ),
    makeFolder: files.makeDir,
    remove: files.remove,
    rename: files.rename,
    pack: packing(sandbox),
    unpack: unpacking(sandbox)
  }
}
