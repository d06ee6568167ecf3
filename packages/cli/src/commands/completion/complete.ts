import { readFileSync } from "node:fs"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"

// A shell waits for this at every press of Tab: it starts nothing, loads nothing of the library, and asks nobody.

/** The profiles that come with the orchestrator; a test holds them against it. */
export const profiles = ["claude-code", "codex", "custom", "dexter", "dexter-python", "opencode", "sample"]

type Env = Readonly<Record<string, string | undefined>>

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What a piece of reading gives, or nothing when it cannot be read: then there is nothing to complete. */
const orNothing = <A>(read: () => A, nothing: A): A => {
  try {
    return read()
  } catch {
    return nothing
  }
}

const settings = (cwd: string): Record<string, unknown> =>
  orNothing(() => {
    const read: unknown = JSON.parse(readFileSync(join(cwd, "remote-agent.json"), "utf8"))
    return isObject(read) ? read : {}
  }, {})

const fileOf = (cwd: string, env: Env): string | undefined => {
  const named = env["REMOTE_AGENT_STATE"]?.trim() || settings(cwd)["REMOTE_AGENT_STATE"]
  if (typeof named === "string" && named !== "") {
    if (named === "memory" || /^postgres(ql)?:/.test(named)) return undefined
    return resolve(cwd, named)
  }
  const data = env["REMOTE_AGENT_DATA"]?.trim()
  if (data) return join(resolve(cwd, data), "state.sqlite")
  const shared = env["XDG_DATA_HOME"]
  const base = shared?.startsWith("/") ? shared : join(env["HOME"] || homedir(), ".local", "share")
  return join(base, "remote-agent", "state.sqlite")
}

/** What a person may type for an agent: its name, or its id once that has been begun. */
const agents = `SELECT DISTINCT name AS word FROM remote_agents
  WHERE status <> 'terminated' AND substr(name, 1, length(:prefix)) = :prefix
  UNION SELECT id FROM remote_agents
  WHERE status <> 'terminated' AND length(:prefix) > 0 AND substr(id, 1, length(:prefix)) = :prefix
  ORDER BY 1 LIMIT 200`

const pools = `SELECT name AS word FROM remote_pools
  WHERE substr(name, 1, length(:prefix)) = :prefix ORDER BY 1 LIMIT 200`

const fromRecords = (file: string | undefined, query: string, prefix: string): ReadonlyArray<string> => {
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

/**
 * What may be typed in the place of `prefix`: names of `agents`, `profiles` or `pools`. Whatever cannot be read is
 * not completed, and nothing is said about it.
 */
export const complete = (
  kind: string | undefined,
  prefix: string,
  place: { readonly cwd: string; readonly env: Env }
): ReadonlyArray<string> => {
  const { cwd, env } = place
  switch (kind) {
    case "agents":
      return orNothing(() => fromRecords(fileOf(cwd, env), agents, prefix), [])
    case "pools":
      return orNothing(() => fromRecords(fileOf(cwd, env), pools, prefix), [])
    case "profiles": {
      const own = settings(cwd)["profiles"]
      const all = new Set([...profiles, ...(isObject(own) ? Object.keys(own) : [])])
      return [...all].filter((name) => name.startsWith(prefix)).toSorted()
    }
    default:
      return []
  }
}
