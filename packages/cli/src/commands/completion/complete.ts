import { basename, dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Paths from "../../app/paths.ts"
import * as FolderFile from "../../app/trust/FolderFile.ts"
import * as SettingsText from "../../app/trust/SettingsText.ts"
import * as TrustStore from "../../app/trust/TrustStore.ts"

// A shell waits for this at every press of Tab, so it loads neither Effect nor the library.

/** The built-in profiles. A test compares them with those of the orchestrator. */
export const profiles = ["claude-code", "codex", "custom", "dexter", "dexter-python", "opencode", "sample"]

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const orElse = <A>(read: () => A, fallback: A): A => {
  try {
    return read()
  } catch {
    return fallback
  }
}

interface Settings {
  readonly values: ReadonlyMap<string, unknown>
  readonly trusted: boolean
}

const none: Settings = { values: new Map(), trusted: false }

/** The settings of the folder, and whether the user trusts them. */
const ofFolder = (place: Paths.Place): Settings => {
  const file = FolderFile.read(place.cwd, "remote-agent.json")
  if (file._tag !== "Found") return none
  const trusted = TrustStore.isTrusted(file, Paths.dataFolder(place), place)
  return { values: SettingsText.parse(file.text).values, trusted }
}

const ofUser = (place: Paths.Place): ReadonlyMap<string, unknown> => {
  const path = Paths.userConfig(place)
  const file = FolderFile.read(dirname(path), basename(path))
  return file._tag === "Found" && !file.shared ? SettingsText.parse(file.text).values : none.values
}

/** The file of the state. A file of the folder names it only when the user trusts that file. */
const fileOf = (place: Paths.Place): string | undefined => {
  const folder = ofFolder(place)
  const named = [
    place.env["REMOTE_AGENT_STATE"]?.trim(),
    folder.trusted ? folder.values.get("REMOTE_AGENT_STATE") : undefined,
    ofUser(place).get("REMOTE_AGENT_STATE")
  ].find((one) => typeof one === "string" && one !== "")
  return Paths.stateFile(typeof named === "string" ? named : undefined, place)
}

/** Names of agents, and ids that start with a prefix that is not empty. */
const agents = `SELECT DISTINCT name AS word FROM remote_agents
  WHERE status <> 'terminated' AND substr(name, 1, length(:prefix)) = :prefix
  UNION SELECT id FROM remote_agents
  WHERE status <> 'terminated' AND length(:prefix) > 0 AND substr(id, 1, length(:prefix)) = :prefix
  ORDER BY 1 LIMIT 200`

const pools = `SELECT name AS word FROM remote_pools
  WHERE substr(name, 1, length(:prefix)) = :prefix ORDER BY 1 LIMIT 200`

const fromState = (file: string | undefined, query: string, prefix: string): ReadonlyArray<string> => {
  if (file === undefined) return []
  const database = new DatabaseSync(file, { readOnly: true, timeout: 200 })
  try {
    return database
      .prepare(query)
      .all({ prefix })
      .flatMap(({ word }) => (typeof word === "string" ? [word] : []))
  } finally {
    database.close()
  }
}

/** The names of `agents`, `profiles` or `pools` that start with a prefix. A state that cannot be read has no names. */
export const complete = (
  kind: string | undefined,
  prefix: string,
  place: Paths.Place
): ReadonlyArray<string> => {
  switch (kind) {
    case "agents":
      return orElse(() => fromState(fileOf(place), agents, prefix), [])
    case "pools":
      return orElse(() => fromState(fileOf(place), pools, prefix), [])
    case "profiles": {
      const own = ofFolder(place).values.get("profiles")
      const all = new Set([...profiles, ...(isObject(own) ? Object.keys(own) : [])])
      return [...all].filter((name) => name.startsWith(prefix)).toSorted()
    }
    default:
      return []
  }
}
