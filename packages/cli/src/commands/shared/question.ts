import { Effect, type FileSystem, Option, type Path, Stdio, Stream } from "effect"
import { Argument } from "effect/cli"
import * as TextInput from "../../app/textInput.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { Usage } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { question, text } from "./flags.ts"

/** How many bytes standard input or a file may add to a question. */
const mostBytes = 1024 * 1024

/** The question of a command: in words, on standard input, or in a file. */
export const asked = {
  question: question.pipe(
    Argument.withDescription("The question, in quotes; - for standard input. Piped text is added to it"),
    Argument.optional
  ),
  file: text("file", "A file that is added to the question; - for standard input")
}

/** The values of {@link asked}. */
export interface Asked {
  readonly question: Option.Option<string>
  readonly file: string | undefined
}

const tooLong = (name: string) =>
  new Usage({
    message: `${name} has more than ${mostBytes / 1024 / 1024} MiB, or is not UTF-8. Copy it into the sandbox with \`remote-agent cp\`, and ask about the file.`
  })

/** The text of standard input. Fails with `Usage` when it is too long or is not text. */
const standardInput = Effect.gen(function* () {
  const [{ stdin }, { note }] = [yield* Stdio.Stdio, yield* Screen]
  const waiting = Effect.andThen(
    Effect.sleep("3 seconds"),
    line(note, "Reading standard input to its end. Without a text to add, redirect it from /dev/null.")
  )
  yield* Effect.forkScoped(waiting)
  const decoder = new TextDecoder("utf-8", { fatal: true })
  let [read, size] = ["", 0]
  yield* Stream.runForEachWhile(Stream.orDie(stdin), (bytes) =>
    Effect.try({
      try: () => {
        size += bytes.length
        if (size <= mostBytes) read += decoder.decode(bytes, { stream: true })
        return size <= mostBytes
      },
      catch: () => tooLong("Standard input")
    })
  )
  if (size > mostBytes) return yield* tooLong("Standard input")
  return yield* Effect.try({ try: () => read + decoder.decode(), catch: () => tooLong("Standard input") })
}).pipe(Effect.scoped)

/**
 * The text that a query asks.
 *
 * **Details**
 *
 * The words come first, then the file or standard input, after an empty line. Standard input is read when `-` asks for
 * it, and when it is a pipe or a file. Fails with `Usage` when there is no text.
 */
export const read = Effect.fnUntraced(function* ({
  file,
  question: given
}: Asked): Effect.fn.Return<
  string,
  Usage,
  CommandHost | FileSystem.FileSystem | Path.Path | Screen | Stdio.Stdio
> {
  const { piped } = yield* CommandHost
  const words = Option.getOrUndefined(given)
  const asksForInput = words === "-" || file === "-"
  const parts = [
    ...(words === undefined || words === "-" ? [] : [words]),
    ...(file === undefined || file === "-" ? [] : [yield* fileText(file)]),
    ...(asksForInput || (file === undefined && piped?.() === true) ? [yield* standardInput] : [])
  ]
  const all = parts.map((part) => part.replace(/\n+$/, "")).filter((part) => part.trim() !== "")
  if (all.length > 0) return all.join("\n\n")
  return yield* new Usage({
    message: "There is no question. Give it in quotes, with --file, or on standard input with -."
  })
})

const fileText = Effect.fnUntraced(function* (name: string) {
  const found = yield* TextInput.file(name, "file")
  return Buffer.byteLength(found) > mostBytes ? yield* tooLong(name) : found
})
