import { homedir } from "node:os"
import { isAbsolute, join, resolve } from "node:path"

// Shell completion runs this at every press of Tab, so it must not load Effect.

/** What decides where files of the user are. */
export interface Place {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absent: the home folder of the user. */
  readonly home?: string | undefined
}

/**
 * The folder for data that outlives a command: `REMOTE_AGENT_DATA`, or `remote-agent` in `XDG_DATA_HOME` or in
 * `~/.local/share`. An empty variable counts as unset, and so does an `XDG_DATA_HOME` that is not absolute.
 */
export const dataFolder = ({ cwd, env, home = homedir() }: Place): string => {
  const named = env["REMOTE_AGENT_DATA"] ?? ""
  if (named.trim() !== "") return resolve(cwd, named)
  const data = env["XDG_DATA_HOME"] ?? ""
  return join(isAbsolute(data) ? data : join(home, ".local", "share"), "remote-agent")
}

/** The file by which a local server is found. */
export const serverFile = (folder: string): string => join(folder, "local.json")

/** The default state: a file in the data folder. */
export const defaultState = (folder: string): string => join(folder, "state.sqlite")

/** The file of a state that `REMOTE_AGENT_STATE` names; undefined for one in memory or in Postgres. */
export const stateFile = (named: string | undefined, place: Place): string | undefined => {
  if (named === undefined || named.trim() === "") return defaultState(dataFolder(place))
  if (named === "memory" || /^postgres(ql)?:/.test(named)) return undefined
  return resolve(place.cwd, named)
}

/**
 * The user's own settings: `remote-agent/config.json` in `XDG_CONFIG_HOME` or in `~/.config`. An `XDG_CONFIG_HOME` that
 * is not absolute counts as unset.
 */
export const userConfig = ({ env, home = homedir() }: Place): string => {
  const config = env["XDG_CONFIG_HOME"] ?? ""
  return join(isAbsolute(config) ? config : join(home, ".config"), "remote-agent", "config.json")
}
