import { Effect, FileSystem, Path } from "effect"
import { CommandHost } from "../../process/CommandHost.ts"
import { Usage } from "../../ui/Failure.ts"

/** A temporary file in place of standard input or output. It is deleted when the scope closes. */
export const temporaryFile = Effect.gen(function* () {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "remote-agent-state-" })
  return path.join(folder, "state.json")
}).pipe(
  Effect.mapError(
    () => new Usage({ message: "No temporary folder can be created. Set TMPDIR to a writable folder." })
  )
)

/** The absolute path of a file that an argument names. */
export const resolved = Effect.fnUntraced(function* (file: string) {
  const [{ cwd }, path] = [yield* CommandHost, yield* Path.Path]
  return path.resolve(cwd, file)
})
