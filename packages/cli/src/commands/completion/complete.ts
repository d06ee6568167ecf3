import { readFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Paths from "../../app/paths.ts"

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

const settings = (cwd: string): Record<string, unknown> =>
  orElse(() => {
    const read: unknown = JSON.parse(readFileSync(join(cwd, "remote-agent.json"), "utf8"))
    return isObject(read) ? read : {}
  }, {})

const fileOf = (place: Paths.Place): string | undefined => {
  const named = place.env["REMOTE_AGENT_STATE"]?.trim() || settings(place.cwd)["REMOTE_AGENT_STATE"]
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
      const own = settings(place.cwd)["profiles"]
      const all = new Set([...profiles, ...(isObject(own) ? Object.keys(own) : [])])
      return [...all].filter((name) => name.startsWith(prefix)).toSorted()
    }
    default:
      return []
  }
}
