import { Run } from "@remote-agent/domain"
import { Effect, FileSystem, Path, Stdio, Stream } from "effect"
import { CommandHost } from "../../../process/CommandHost.ts"
import { Usage } from "../../../ui/Failure.ts"

const tooMany = new Usage({
  message: `A run has at most ${Run.mostQuestions} questions. Start several runs, with parts of the file.`
})

/** One question per line. Blank lines are left out. */
const fromBytes = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
  bytes.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.map((line) => line.replace(/\r$/, "")),
    Stream.filter((line) => line.trim() !== "")
  )

/**
 * The questions of a command: its arguments, then the lines of a file, or of standard input for `-`. Fails with `Usage`
 * when the file cannot be read, or has too many questions.
 */
export const questionsOf = Effect.fnUntraced(function* (
  asked: ReadonlyArray<string>,
  file: string | undefined
): Effect.fn.Return<
  Stream.Stream<string, Usage>,
  Usage,
  FileSystem.FileSystem | Path.Path | CommandHost | Stdio.Stdio
> {
  if (asked.length === 0 && file === undefined) {
    return yield* new Usage({
      message: "There is no question. Give questions as arguments, or a file with --file."
    })
  }
  const [fs, path, { cwd }, stdio] = [
    yield* FileSystem.FileSystem,
    yield* Path.Path,
    yield* CommandHost,
    yield* Stdio.Stdio
  ]
  const unreadable = () => new Usage({ message: `The file ${file} cannot be read. Check --file.` })
  if (file !== undefined && file !== "-")
    yield* Effect.mapError(fs.access(path.resolve(cwd, file)), unreadable)
  const lines =
    file === undefined
      ? Stream.empty
      : Stream.mapError(
          fromBytes(file === "-" ? stdio.stdin : fs.stream(path.resolve(cwd, file))),
          unreadable
        )
  return Stream.concat(Stream.fromIterable(asked), lines).pipe(
    Stream.zipWithIndex,
    Stream.mapEffect(([question, index]) =>
      index < Run.mostQuestions ? Effect.succeed(question) : Effect.fail(tooMany)
    )
  )
})
