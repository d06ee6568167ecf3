/**
 * File operations done inside a sandbox by its own user, so that no path leads out of it.
 *
 * Each operation is one small script; paths are arguments, contents are pipes, results are separated by NUL.
 *
 * @since 0.1.0
 */
import { Effect, Stream } from "effect"
import type { Scope } from "effect"
import * as Path from "node:path/posix"
import * as Attributes from "../extendedAttributes.ts"
import * as HostProcess from "../../host/HostProcess.ts"
import { type Content, type Entry, FileError, type FileReason, type Files } from "../SandboxRuntime.ts"
import * as Shell from "../shell.ts"

/** Runs a command in the sandbox as its user, with descriptors 3 and 4. */
export type Enter = (
  argv: ReadonlyArray<string>,
  stdin: boolean
) => Effect.Effect<HostProcess.HostProcess, HostProcess.HostProcessError>

const exitReasons: Readonly<Record<number, FileReason>> = {
  44: "NotFound",
  45: "Exists",
  46: "NotDirectory",
  47: "IsDirectory",
  48: "Denied",
  49: "Unsupported",
  // A shell says so when the limit on the size of files ended a program (SIGXFSZ).
  153: "NoSpace"
}

// How the C library words what the scripts cannot test beforehand, always at the end of a message.
const wordings: ReadonlyArray<readonly [string, FileReason]> = [
  ["No such file or directory", "NotFound"],
  ["Permission denied", "Denied"],
  ["Operation not permitted", "Denied"],
  ["Read-only file system", "Denied"],
  ["No space left on device", "NoSpace"],
  ["Disk quota exceeded", "NoSpace"],
  ["File too large", "NoSpace"],
  ["Is a directory", "IsDirectory"],
  ["cannot overwrite directory", "IsDirectory"],
  ["Not a directory", "NotDirectory"],
  ["File exists", "Exists"],
  ["Operation not supported", "Unsupported"],
  ["File name too long", "Invalid"],
  ["Too many levels of symbolic links", "Invalid"],
  ["Invalid argument", "Invalid"]
]

/** What went wrong, from the exit status of a script and the last line that it wrote to stderr. */
export const classify = (status: HostProcess.ExitStatus, stderr: string): FileReason => {
  const known = exitReasons[status.code ?? -1]
  if (known !== undefined) return known
  const last = stderr.trim().split("\n").at(-1) ?? ""
  return wordings.find(([wording]) => last.endsWith(wording))?.[1] ?? "Failed"
}

const messages: Readonly<Record<FileReason, string>> = {
  NotFound: "file not found",
  Exists: "already exists",
  IsDirectory: "is a directory",
  NotDirectory: "is not a directory",
  Denied: "permission denied",
  NoSpace: "not enough disk space",
  Invalid: "invalid path",
  Unsupported: "metadata of files needs perl and a file system with extended attributes",
  Failed: "the operation failed"
}

/** The refusal of an operation on `path`. */
export const fileError = (reason: FileReason, path: string, detail?: string) =>
  new FileError({ reason, message: `${messages[reason]}: '${path}'${detail ? ` (${detail})` : ""}` })

const format = "%p\\0%y\\0%Y\\0%s\\0%m\\0%M\\0%u\\0%g\\0%T@\\0%l\\0\\0"
// The last one is empty and filled in by what the entries are piped through.
const FIELDS = 11

const withMetadata = Attributes.fillIn(FIELDS)
const printEntry = `find "$1" -maxdepth 0 -printf '${format}' | ${withMetadata}`
const statScript = `[ -e "$1" ] || [ -L "$1" ] || { stat -- "$1" >/dev/null; exit 44; }; ${printEntry}`
const listScript = `
[ -e "$1" ] || { stat -- "$1" >/dev/null; exit 44; }
[ -d "$1" ] || exit 46
[ -r "$1" ] && [ -x "$1" ] || exit 48
find -H "$1" -mindepth 1 -maxdepth "$2" -printf '${format}' 2>/dev/null | ${withMetadata}`
const folderScript = `
[ -e "$1" ] || { stat -- "$1" >/dev/null; exit 44; }
[ -d "$1" ] || exit 46
[ -r "$1" ] && [ -x "$1" ] || exit 48
readlink -fn -- "$1"`
const makeDirScript = `
[ ! -d "$1" ] || exit 45
[ ! -e "$1" ] || exit 46
mkdir -p -- "$1" && ${printEntry}`
const moveScript = `
[ -e "$1" ] || [ -L "$1" ] || { stat -- "$1" >/dev/null; exit 44; }
mkdir -p -- "$3" && mv -T -f -- "$1" "$2" && shift && ${printEntry}`
const removeScript = `rm -rf -- "$1"`
// Descriptor 4 says the size, or "-" when only reading to the end tells it.
const readScript = `
[ -e "$1" ] || { stat -- "$1" >/dev/null; exit 44; }
[ ! -d "$1" ] || exit 47
exec 5<"$1" || exit 48
size=$(stat -L -c %s -- "$1") || exit 1
if [ -f "$1" ] && [ "$size" -gt 0 ]; then echo "$size" >&4; exec 4>&-; exec head -c "$size" <&5; fi
echo - >&4; exec 4>&-; exec cat <&5`
const writeScript = (limits: Shell.Limits) => `
${Shell.limitScript({ openFiles: limits.openFiles, fileBytes: limits.fileBytes })}
mkdir -p -- "$2" || exit 1
[ ! -d "$1" ] || exit 47
cat > "$1"`

const entryType = (letter: string | undefined): Entry["type"] =>
  letter === "f" ? "FILE_TYPE_FILE" : letter === "d" ? "FILE_TYPE_DIRECTORY" : "FILE_TYPE_UNSPECIFIED"

/** `%T@` of find, in nanoseconds, as RFC 3339. */
const timestamp = (seconds: string): string => {
  const [whole = "0", fraction = ""] = seconds.split(".")
  const date = new Date(Number(whole) * 1000).toISOString().slice(0, -5)
  return `${date}.${fraction.slice(0, 9).padEnd(9, "0")}Z`
}

/** Entries from the NUL-separated output of the scripts; what is cut off at the end is left out. */
export const parseEntries = (output: Buffer): ReadonlyArray<Entry> => {
  const fields = output.toString("utf8").split("\0")
  const entries: Array<Entry> = []
  for (let at = 0; at + FIELDS < fields.length; at += FIELDS) {
    const [path, type, followed, size, mode, permissions, owner, group, modified, link, attributes] =
      fields.slice(at, at + FIELDS)
    entries.push({
      path: path ?? "",
      // As envd does, a link has the type of what it leads to.
      type: entryType(type === "l" ? followed : type),
      size: Number(size),
      mode: Number.parseInt(mode ?? "0", 8),
      permissions: permissions ?? "",
      owner: owner ?? "",
      group: group ?? "",
      modifiedTime: timestamp(modified ?? "0"),
      symlinkTarget: type === "l" ? Path.resolve(Path.dirname(path ?? "/"), link ?? "") : undefined,
      metadata: Attributes.parse(attributes ?? "")
    })
  }
  return entries
}

/** Files of a sandbox that can be entered. */
export const make = (enter: Enter, limits: Shell.Limits): Files => {
  const open = (script: string, args: ReadonlyArray<string>, stdin: boolean) =>
    Effect.acquireRelease(
      enter(["sh", "-c", script, "sh", ...args], stdin),
      (process) => process.dispose
    ).pipe(Effect.mapError((error) => fileError("Failed", args[0] ?? "", error.message)))

  const finish = Effect.fnUntraced(function* (process: HostProcess.HostProcess, path: string) {
    const [stderr, status] = yield* Effect.all(
      [HostProcess.collect(process.stderr, 64 * 1024), process.exited],
      {
        concurrency: 2
      }
    ).pipe(Effect.mapError((error) => fileError("Failed", path, error.message)))
    if (status.code !== 0) {
      const reason = classify(status, stderr.toString())
      return yield* fileError(
        reason,
        path,
        reason === "Failed" ? stderr.toString().trim().split("\n").at(-1) : undefined
      )
    }
  })

  const run = (script: string, ...args: ReadonlyArray<string>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const process = yield* open(script, args, false)
        const [output] = yield* Effect.all(
          [
            HostProcess.collect(process.stdout, 64 * 1024 * 1024).pipe(
              Effect.mapError((error) => fileError("Failed", args[0] ?? "", error.message))
            ),
            finish(process, args[0] ?? "")
          ],
          { concurrency: 2 }
        )
        return output
      })
    )

  const runForEntry = Effect.fnUntraced(function* (script: string, ...args: ReadonlyArray<string>) {
    const [entry] = parseEntries(yield* run(script, ...args))
    return entry ?? (yield* fileError("NotFound", args[0] ?? ""))
  })

  const read = Effect.fnUntraced(function* (path: string): Effect.fn.Return<Content, FileError, Scope.Scope> {
    const process = yield* open(readScript, [path], false)
    const size = process.status === undefined ? "" : yield* HostProcess.firstLine(process.status)
    if (size === "") yield* finish(process, path)
    return {
      size: /^\d+$/.test(size) ? Number(size) : undefined,
      bytes: HostProcess.bytes(process.stdout).pipe(
        Stream.mapError((error) => fileError("Failed", path, error.message)),
        Stream.concat(Stream.unwrap(Effect.as(finish(process, path), Stream.empty)))
      )
    }
  })

  const write = <E>(
    path: string,
    content: Stream.Stream<Uint8Array, E>
  ): Effect.Effect<void, FileError | E> =>
    Effect.scoped(
      Effect.gen(function* () {
        const process = yield* open(writeScript(limits), [path, Path.dirname(path)], true)
        const { stdin } = process
        if (stdin === undefined) return yield* fileError("Failed", path)
        let broken = false
        yield* Stream.runForEach(content, (chunk) =>
          broken
            ? Effect.void
            : Effect.catch(HostProcess.write(stdin, chunk), () =>
                Effect.sync(() => {
                  // Why the writer went away is in its exit status; the rest of the body is read and dropped.
                  broken = true
                })
              )
        )
        yield* HostProcess.end(stdin)
        yield* finish(process, path)
      })
    )

  return {
    stat: (path) => runForEntry(statScript, path),
    list: (path, depth) =>
      run(listScript, path, `${depth}`).pipe(
        Effect.map((output) =>
          parseEntries(output).toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
        )
      ),
    folder: (path) => Effect.map(run(folderScript, path), (output) => output.toString()),
    makeDir: (path) => runForEntry(makeDirScript, path),
    move: (from, to) => runForEntry(moveScript, from, to, Path.dirname(to)),
    remove: (path) => Effect.asVoid(run(removeScript, path)),
    read,
    write,
    annotate: (path, metadata) =>
      Effect.asVoid(run(Attributes.setScript, path, ...Object.entries(metadata).flat()))
  }
}
