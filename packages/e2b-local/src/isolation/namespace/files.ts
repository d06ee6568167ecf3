/**
 * File operations that run inside a sandbox as one of its users, so that no path leads out of it.
 *
 * Each operation is one small script. Paths are arguments, contents are pipes, results are separated by NUL.
 *
 * @since 0.1.0
 */
import { Effect, Stream } from "effect"
import type { Scope } from "effect"
import * as Path from "node:path/posix"
import * as HostProcess from "../../host/HostProcess.ts"
import * as Attributes from "../extendedAttributes.ts"
import * as FileErrors from "../fileErrors.ts"
import { fileError } from "../fileErrors.ts"
import type { Content, Entry, FileError, Files, Metadata } from "../SandboxRuntime.ts"
import * as Shell from "../shell.ts"

/** Runs a program in the sandbox as one user, with descriptors 3 and 4. */
export type Enter = (
  argv: ReadonlyArray<string>,
  stdin: boolean
) => Effect.Effect<HostProcess.HostProcess, HostProcess.HostProcessError>

const FIELDS = Attributes.LINK_FIELDS
// The last three fields are empty. The program that the entries are piped through fills them in.
const format = "%p\\0%y\\0%Y\\0%s\\0%m\\0%u\\0%g\\0%T@\\0%l\\0\\0\\0\\0"

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
// Writes the size and the modification time to descriptor 4; the size is "-" when it is unknown before the end.
// Then reads from descriptor 3 which part is wanted.
const readScript = `
[ -e "$1" ] || { stat -- "$1" >/dev/null; exit 44; }
[ ! -d "$1" ] || exit 47
# To open a pipe would wait for its other end.
[ ! -p "$1" ] || exit 51
exec 5<"$1" || exit 48
size=$(stat -L -c %s -- "$1") && modified=$(stat -L -c %Y -- "$1") || exit 1
[ -f "$1" ] && [ "$size" -gt 0 ] || size=-
echo "$size $modified" >&4; exec 4>&-
read -r start length <&3 || exit 0
exec 3<&-
[ "$size" != - ] || exec cat <&5
[ "$start" -eq 0 ] || { tail -c "+$((start + 1))" <&5 | head -c "$length"; exit 0; }
exec head -c "$length" <&5`
const writeScript = (limits: Shell.Limits) => `
${Shell.limitScript({ openFiles: limits.openFiles, fileBytes: limits.fileBytes })}
folder=$2 path=$1; shift 2; set -- "$path" "$@"
mkdir -p -- "$folder" || exit 1
[ ! -d "$1" ] || exit 47
[ ! -p "$1" ] || exit 51
old=; [ ! -e "$1" ] || old=1
# Opened here and not by a child, which would stay behind when this process is killed.
exec 6>"$1" || exit
cat >&6 || exit
exec 6>&-
[ -z "$old" ] && [ $# -lt 2 ] || { ${Attributes.replaceScript}; }`

const entryType = (letter: string | undefined): Entry["type"] =>
  letter === "f" ? "FILE_TYPE_FILE" : letter === "d" ? "FILE_TYPE_DIRECTORY" : "FILE_TYPE_UNSPECIFIED"

/** `%T@` of find, with nanoseconds, as RFC 3339. */
const timestamp = (seconds: string): string => {
  const [whole = "0", fraction = ""] = seconds.split(".")
  const date = new Date(Number(whole) * 1000).toISOString().slice(0, -5)
  return `${date}.${fraction.slice(0, 9).padEnd(9, "0")}Z`
}

const entryOf = (fields: ReadonlyArray<string>): Entry => {
  const [
    path = "",
    type = "",
    followed,
    size,
    mode = "0",
    owner = "",
    group = "",
    modified = "0",
    link = ""
  ] = fields
  const [target = "", targetMode = "", attributes = ""] = fields.slice(-3)
  const isLink = type === "l"
  const bits = Number.parseInt(mode, 8)
  return {
    path,
    type: entryType(isLink ? followed : type),
    size: Number(size),
    mode: isLink && targetMode !== "" ? Number.parseInt(targetMode, 8) : bits & 0o777,
    permissions: FileErrors.permissionsOf(type, bits),
    owner,
    group,
    modifiedTime: timestamp(modified),
    symlinkTarget: isLink
      ? target === ""
        ? // Without perl only one link is followed.
          Path.resolve(Path.dirname(path || "/"), link)
        : target
      : undefined,
    metadata: Attributes.parse(attributes)
  }
}

/** Entries from the NUL-separated output of the scripts. An incomplete entry at the end is left out. */
export const parseEntries = (output: Buffer): ReadonlyArray<Entry> => {
  const fields = output.toString("utf8").split("\0")
  const entries: Array<Entry> = []
  for (let at = 0; at + FIELDS < fields.length; at += FIELDS) {
    entries.push(entryOf(fields.slice(at, at + FIELDS)))
  }
  return entries
}

const compareSegments = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  for (const [at, one] of a.entries()) {
    const other = b[at]
    if (other === undefined) return 1
    if (one !== other) return one < other ? -1 : 1
  }
  return a.length - b.length
}

/** Orders paths as a walk of the tree does: a folder comes directly before its entries. */
export const compareBySegment = (a: string, b: string): number => compareSegments(a.split("/"), b.split("/"))

/** The files of the user that `enter` runs programs as. */
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
      const reason = FileErrors.ofExit(status, stderr.toString())
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
    const { input, status } = process
    const word = status === undefined ? "" : yield* HostProcess.firstLine(status)
    if (word === "" || input === undefined) {
      yield* finish(process, path)
      return yield* fileError("Failed", path)
    }
    const [size = "-", modified] = word.split(" ")
    const known = /^\d+$/.test(size) ? Number(size) : undefined
    return {
      size: known,
      modified: Number(modified),
      bytes: (range = { start: 0, length: known ?? 0 }) =>
        Stream.unwrap(
          Effect.as(
            Effect.ignore(HostProcess.write(input, `${range.start} ${range.length}\n`)),
            HostProcess.bytes(process.stdout).pipe(
              Stream.mapError((error) => fileError("Failed", path, error.message)),
              Stream.concat(Stream.unwrap(Effect.as(finish(process, path), Stream.empty)))
            )
          )
        )
    }
  })

  const write = <E>(
    path: string,
    content: Stream.Stream<Uint8Array, E>,
    metadata: Metadata
  ): Effect.Effect<void, FileError | E> =>
    Effect.scoped(
      Effect.gen(function* () {
        const args = [path, Path.dirname(path), ...Object.entries(metadata).flat()]
        const process = yield* open(writeScript(limits), args, true)
        const { stdin } = process
        if (stdin === undefined) return yield* fileError("Failed", path)
        let broken = false
        yield* Stream.runForEach(content, (chunk) =>
          broken
            ? Effect.void
            : Effect.catch(HostProcess.write(stdin, chunk), () =>
                Effect.sync(() => {
                  // The exit status says why the writer ended. The rest of the body is read and dropped.
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
        Effect.map((output) => parseEntries(output).toSorted((a, b) => compareBySegment(a.path, b.path)))
      ),
    folder: (path) => Effect.map(run(folderScript, path), (output) => output.toString()),
    makeDir: (path) => runForEntry(makeDirScript, path),
    move: (from, to) => runForEntry(moveScript, from, to, Path.dirname(to)),
    remove: (path) => Effect.asVoid(run(removeScript, path)),
    read,
    write
  }
}
