import { Effect, FileSystem } from "effect"
import { CommandHost } from "../process/CommandHost.ts"
import { Usage } from "../ui/Failure.ts"

const unusable = (dataFolder: string, why: string) =>
  new Usage({
    message: `The data folder ${dataFolder} ${why}. Set REMOTE_AGENT_DATA to a folder that only you can write to.`
  })

/**
 * The data folder. It is created with access for its user only.
 *
 * **Details**
 *
 * Fails with `Usage` when it cannot be created, is not a folder, or can be written to by other users.
 */
export const ensure: Effect.Effect<string, Usage, FileSystem.FileSystem | CommandHost> = Effect.gen(
  function* () {
    const [fs, { dataFolder }] = [yield* FileSystem.FileSystem, yield* CommandHost]
    const { mode } = yield* fs.makeDirectory(dataFolder, { recursive: true, mode: 0o700 }).pipe(
      Effect.andThen(fs.stat(dataFolder)),
      Effect.mapError(() => unusable(dataFolder, "cannot be created or read"))
    )
    if ((mode & 0o022) !== 0) return yield* unusable(dataFolder, "can be written to by other users")
    return dataFolder
  }
)
