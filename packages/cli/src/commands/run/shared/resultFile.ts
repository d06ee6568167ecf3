import type { Id, OrchestratorError } from "@remote-agent/domain"
import type { RunRecords } from "@remote-agent/orchestrator"
import { Effect, FileSystem, Option, Path, Stream } from "effect"
import { CommandHost } from "../../../process/CommandHost.ts"
import { Usage } from "../../../ui/Failure.ts"
import * as ResultText from "./resultText.ts"

/** Which results go into a file. */
export interface FileOptions {
  readonly file: string
  readonly format?: ResultText.Format | undefined
  readonly order: "input" | "completion"
  readonly follow: boolean
}

/** The format of a file: the one that is asked for, or that of its name. */
const formatOf = ({ file, format }: Pick<FileOptions, "file" | "format">): ResultText.Format =>
  format ?? (file.endsWith(".csv") ? "csv" : "jsonl")

/**
 * Writes the results of a run to a file, and returns how many it has written.
 *
 * **Details**
 *
 * A file that exists is continued after its last complete record; a record that was cut off is removed. So a command
 * that was killed and is started again writes no result twice and leaves none out. Use the same order each time.
 */
export const write = Effect.fnUntraced(function* (
  { results }: RunRecords.RunRecords,
  id: Id.RunId,
  options: FileOptions
): Effect.fn.Return<
  number,
  OrchestratorError.OrchestratorError | Usage,
  FileSystem.FileSystem | Path.Path | CommandHost
> {
  const [fs, path, { cwd }] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* CommandHost]
  const file = path.resolve(cwd, options.file)
  const format = formatOf(options)
  const unusable = () => new Usage({ message: `The file ${options.file} cannot be written. Check --output.` })
  const before = yield* fs.readFile(file).pipe(
    Effect.asSome,
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeedNone),
    Effect.mapError(unusable)
  )
  const known = ResultText.complete(
    format,
    Option.getOrElse(before, () => new Uint8Array())
  )
  if (known.records > 0 && known.last === undefined) {
    return yield* new Usage({
      message: `The file ${options.file} holds something else than results as ${format}. Choose another file.`
    })
  }
  if (Option.isSome(before)) yield* Effect.mapError(fs.truncate(file, known.bytes), unusable)
  const append = (text: string) => Effect.mapError(fs.writeFileString(file, text, { flag: "a" }), unusable)
  if (known.bytes === 0) yield* append(format === "csv" ? ResultText.header : "")
  const after = options.order === "input" ? known.last : known.records
  let count = 0
  yield* results(id, { order: options.order, after, follow: options.follow }).pipe(
    Stream.chunks,
    Stream.runForEach((page) => {
      count += page.length
      return append(page.map((question) => ResultText.record(format, question)).join(""))
    })
  )
  return count
})
