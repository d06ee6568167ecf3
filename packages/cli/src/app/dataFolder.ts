import { Effect, FileSystem } from "effect"
import { isAbsolute, join, resolve } from "node:path"
import { Usage } from "../ui/Failure.ts"
import { CommandHost } from "../process/CommandHost.ts"

/**
 * Where what outlives a command is kept: `REMOTE_AGENT_DATA`, else `remote-agent` in `XDG_DATA_HOME` or in
 * `~/.local/share`. An empty variable is an unset one, and so is an `XDG_DATA_HOME` that is not absolute, as its
 * specification wants.
 */
export const of = ({
  cwd,
  env,
  home
}: {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly cwd: string
}): string => {
  const named = env["REMOTE_AGENT_DATA"] ?? ""
  if (named.trim() !== "") return resolve(cwd, named)
  const data = env["XDG_DATA_HOME"] ?? ""
  return join(isAbsolute(data) ? data : join(home, ".local", "share"), "remote-agent")
}

const unusable = (dataFolder: string, why: string) =>
  new Usage({
    message: `The data folder ${dataFolder} ${why}. Set REMOTE_AGENT_DATA to a folder that is yours alone.`
  })

/**
 * The data folder, made for its user alone when it is not there. Fails with `Usage` when it cannot be made, is no
 * folder, or can be written by others.
 */
export const ensure: Effect.Effect<string, Usage, FileSystem.FileSystem | CommandHost> = Effect.gen(
  function* () {
    const [fs, { dataFolder }] = [yield* FileSystem.FileSystem, yield* CommandHost]
    const { mode } = yield* fs.makeDirectory(dataFolder, { recursive: true, mode: 0o700 }).pipe(
      Effect.andThen(fs.stat(dataFolder)),
      Effect.mapError(() => unusable(dataFolder, "cannot be made or read"))
    )
    if ((mode & 0o022) !== 0) return yield* unusable(dataFolder, "can be written by other users")
    return dataFolder
  }
)
