/** Prepares the files of a new sandbox with one command, where they are small. */
import { SandboxError } from "@remote-agent/domain"
import { Effect } from "effect"
import { quote } from "../../job/shell.ts"
import type { Command, ExecResult, NewFile, NewFiles, SandboxFiles } from "../../Sandbox.ts"

/** The most content, in characters, that one command writes. A command line takes little more. */
const longest = 64 * 1024

const textOf = ({ content }: NewFile): string =>
  typeof content === "string" ? content : Buffer.from(content).toString("base64")

/** The folder of a path, if the path has one. */
const folderOf = (path: string): ReadonlyArray<string> => {
  const at = path.lastIndexOf("/")
  return at > 0 ? [path.slice(0, at)] : []
}

const writing = (file: NewFile): ReadonlyArray<string> => {
  const path = quote(file.path)
  const text = quote(textOf(file))
  return [
    typeof file.content === "string"
      ? `printf %s ${text} >${path}`
      : `printf %s ${text} | base64 -d >${path}`,
    ...(file.mode === undefined ? [] : [`chmod -- ${quote(file.mode)} ${path}`])
  ]
}

/** The script that does all of it and prints the home folder as its last line. */
const script = ({ files, folders }: NewFiles): string => {
  const all = [...new Set([...folders, ...files.flatMap(({ path }) => folderOf(path))])]
  return [
    "set -e -o pipefail",
    ...(all.length === 0 ? [] : [`mkdir -p -- ${all.map(quote).join(" ")}`]),
    ...files.flatMap(writing),
    `printf '\\n%s\\n' "$PWD"`
  ].join("\n")
}

const isSmall = ({ files }: NewFiles): boolean =>
  files.reduce((size, file) => size + Buffer.byteLength(textOf(file)), 0) <= longest &&
  files.every(({ content }) => typeof content !== "string" || !content.includes("\0"))

type Failure = SandboxError.SandboxError

/** `SandboxFiles.prepare` over the other operations. */
export const make = (
  files: Omit<SandboxFiles, "prepare">,
  exec: (command: Command) => Effect.Effect<ExecResult, Failure>
): SandboxFiles["prepare"] => {
  const oneByOne = Effect.fnUntraced(function* (all: NewFiles) {
    const home = (yield* files.stat(".")).path
    yield* Effect.forEach(all.folders, (path) => files.makeDir(path), { discard: true })
    yield* Effect.forEach(
      all.files,
      Effect.fnUntraced(function* ({ content, mode, path }) {
        yield* files.write(path, content)
        if (mode === undefined) return
        const { exitCode } = yield* exec({ argv: ["chmod", "--", mode, path] })
        if (exitCode !== 0) {
          const detail = `the mode of a file could not be set to ${mode}`
          return yield* SandboxError.fail("write", new SandboxError.InvalidRequest({ detail }))
        }
      }),
      { concurrency: 4, discard: true }
    )
    return home
  })

  return Effect.fn("Sandbox.files.prepare")((all: NewFiles) =>
    isSmall(all)
      ? exec({ script: script(all) }).pipe(
          Effect.flatMap(({ exitCode, stdout }) => {
            const home = stdout.trimEnd().split("\n").at(-1) ?? ""
            return exitCode === 0 && home.startsWith("/") ? Effect.succeed(home) : oneByOne(all)
          }),
          // The other way says what is wrong, and retries what can be retried.
          Effect.catch(() => oneByOne(all))
        )
      : oneByOne(all)
  )
}
