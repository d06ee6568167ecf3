import { Effect, FileSystem, type Option, Path, type PlatformError } from "effect"
import { CommandHost } from "../process/CommandHost.ts"
import { Usage } from "../ui/Failure.ts"

type Files = FileSystem.FileSystem | Path.Path | CommandHost

/** The text of a file in the working directory, or none when there is no such file. */
export const ifThere = Effect.fnUntraced(function* (
  name: string
): Effect.fn.Return<Option.Option<string>, PlatformError.PlatformError, Files> {
  const [fs, path, { cwd }] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* CommandHost]
  return yield* fs.readFileString(path.resolve(cwd, name)).pipe(
    Effect.asSome,
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeedNone)
  )
})

/** The text of a file that a flag names. Fails with `Usage` when the file cannot be read. */
export const file = (name: string, flag: string): Effect.Effect<string, Usage, Files> =>
  ifThere(name).pipe(
    Effect.flatMap((text) => Effect.fromOption(text)),
    Effect.mapError(() => new Usage({ message: `The file ${name} cannot be read. Check --${flag}.` }))
  )

/** A text given by `--flag` or in the file of `--flag-file`. Fails with `Usage` when both are given. */
export const either = Effect.fnUntraced(function* (
  flag: string,
  text: string | undefined,
  fileText: string | undefined
): Effect.fn.Return<string | undefined, Usage, Files> {
  if (fileText === undefined) return text
  if (text !== undefined) {
    return yield* new Usage({ message: `--${flag} and --${flag}-file exclude each other. Give one of them.` })
  }
  return yield* file(fileText, `${flag}-file`)
})
