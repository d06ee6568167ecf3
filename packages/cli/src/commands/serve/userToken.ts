import { TokenStore } from "@remote-agent/server"
import { Effect, FileSystem, Option, Path, Redacted } from "effect"
import * as DataFolder from "../../app/dataFolder.ts"
import { Usage } from "../../ui/Failure.ts"

/** The name of the file in the data folder that holds the token of this user. */
const fileName = "server-token"

/** The token of this user for servers on the loopback, and the file that holds it. */
interface UserToken {
  readonly token: Redacted.Redacted
  readonly file: string
}

/**
 * The token of this user. It is created when there is none, or when it is not valid for this state, and kept in a file
 * that only this user can read.
 */
export const ensure = Effect.gen(function* () {
  const [fs, path, tokens] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* TokenStore.TokenStore]
  const file = path.join(yield* DataFolder.ensure, fileName)
  const unusable = () => new Usage({ message: `The file ${file} cannot be used. Remove it, and try again.` })
  const kept = yield* fs.readFileString(file).pipe(
    Effect.map((text) => Option.some(Redacted.make(text.trim()))),
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeedNone),
    Effect.mapError(unusable)
  )
  if (Option.isSome(kept)) {
    const { mode } = yield* Effect.mapError(fs.stat(file), unusable)
    const isPrivate = (mode & 0o077) === 0
    if (isPrivate && Option.isSome(yield* tokens.verify(kept.value))) return { token: kept.value, file }
  }
  const { token } = yield* tokens.create({ name: "this machine", scope: "admin" })
  const draft = `${file}.new`
  yield* fs
    .remove(draft, { force: true })
    .pipe(
      Effect.andThen(fs.writeFileString(draft, `${Redacted.value(token)}\n`, { mode: 0o600, flag: "wx" })),
      Effect.andThen(fs.rename(draft, file)),
      Effect.mapError(unusable)
    )
  return { token, file } satisfies UserToken
})
