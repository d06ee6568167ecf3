import { Context, Effect, FileSystem, type Scope, type Stream } from "effect"
import { isAbsolute, join, resolve } from "node:path"
import { Usage } from "./Failure.ts"

/** The terminal that somebody sits at, for a program that wants all of it. */
export interface RawTerminal {
  readonly size: () => { readonly columns: number; readonly rows: number }
  /** Every time its size changes. */
  readonly resized: Stream.Stream<void>
  /** Until the scope closes, however it closes, every key goes to who reads, Ctrl-C among them. */
  readonly raw: Effect.Effect<void, never, Scope.Scope>
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
}

/** What the process knows and the library must not ask for itself. Read once, by the bin. */
export class Host extends Context.Service<
  Host,
  {
    readonly env: Readonly<Record<string, string | undefined>>
    /** The folder that `.env` and `remote-agent.json` are looked for in. */
    readonly cwd: string
    /** The absolute path of the folder for what outlives a command. It may not exist yet: see {@link ensureDataFolder}. */
    readonly dataFolder: string
    /** Whether somebody sits at a terminal and can be asked. */
    readonly interactive: boolean
    /** Absent where nobody sits at a terminal. */
    readonly terminal?: RawTerminal | undefined
    /** Writes one line of the log, at once. */
    readonly log: (line: string) => void
    /** What starts this binary again: the program, and the file that it runs. */
    readonly command: readonly [string, ...ReadonlyArray<string>]
    /** Told what may be left behind should the process be ended without cleaning up. */
    readonly leftovers: (text: string) => void
  }
>()("@remote-agent/cli/Host") {}

/**
 * Where what outlives a command is kept: `REMOTE_AGENT_DATA`, else `remote-agent` in `XDG_DATA_HOME` or in
 * `~/.local/share`. An empty variable is an unset one, and so is an `XDG_DATA_HOME` that is not absolute, as its
 * specification wants.
 */
export const dataFolderOf = ({
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
export const ensureDataFolder: Effect.Effect<string, Usage, FileSystem.FileSystem | Host> = Effect.gen(
  function* () {
    const [fs, { dataFolder }] = [yield* FileSystem.FileSystem, yield* Host]
    const { mode } = yield* fs.makeDirectory(dataFolder, { recursive: true, mode: 0o700 }).pipe(
      Effect.andThen(fs.stat(dataFolder)),
      Effect.mapError(() => unusable(dataFolder, "cannot be made or read"))
    )
    if ((mode & 0o022) !== 0) return yield* unusable(dataFolder, "can be written by other users")
    return dataFolder
  }
)
