import { Effect, FileSystem, type Option, Path, type PlatformError } from "effect"
import { type Environment, Usage } from "./Failure.ts"
import { CommandHost } from "../process/CommandHost.ts"

/** The text of a file of the folder that the command runs in; none where no such file is. */
export const ifThere = Effect.fnUntraced(function* (
  name: string
): Effect.fn.Return<
  Option.Option<string>,
  PlatformError.PlatformError,
  FileSystem.FileSystem | Path.Path | CommandHost
> {
  const [fs, path, { cwd }] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* CommandHost]
  return yield* fs.readFileString(path.join(cwd, name)).pipe(
    Effect.asSome,
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeedNone)
  )
})

/** A text of two flags: as it is, or in a file. Fails with `Usage` when both are given or the file cannot be read. */
export const either = Effect.fnUntraced(function* (
  flag: string,
  text: string | undefined,
  file: string | undefined
): Effect.fn.Return<string | undefined, Usage, Environment> {
  if (file === undefined) return text
  if (text !== undefined) {
    return yield* new Usage({ message: `There are --${flag} and --${flag}-file. Say one of them.` })
  }
  const [fs, path, { cwd }] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* CommandHost]
  return yield* Effect.mapError(
    fs.readFileString(path.resolve(cwd, file)),
    () => new Usage({ message: `The file ${file} cannot be read. Check --${flag}-file.` })
  )
})
