import { RemoteAgentConfig } from "@remote-agent/domain"

/** Settings to write, by their names. */
export type Chosen = { readonly [N in RemoteAgentConfig.Name]?: string }

/** The settings of the file, which is everything but keys, and what needs one answer only. */
const inFile = RemoteAgentConfig.names.filter((name) => !RemoteAgentConfig.settings[name].secret)

const explanation = (name: RemoteAgentConfig.Name): string => {
  const { describe, expected } = RemoteAgentConfig.settings[name]
  const fallback = RemoteAgentConfig.fallbackText(name)
  return `${describe} (${expected}${fallback === "" ? "" : `; default: ${fallback}`})`
}

/**
 * A `remote-agent.json` that holds what was chosen and explains every other setting. JSON has no comments, so a name
 * that starts with `//` is one.
 */
export const settingsFile = (chosen: Chosen): string => {
  const entries = inFile.flatMap((name): ReadonlyArray<readonly [string, string]> => {
    const value = chosen[name]
    const comment = [`// ${name}`, explanation(name)] as const
    return value === undefined ? [comment] : [comment, [name, value]]
  })
  const top = ["//", "The environment and .env win over this file. Keys belong into .env, not here."] as const
  return `${JSON.stringify(Object.fromEntries([top, ...entries]), null, 2)}\n`
}

/** A `.env.example` that names every key and holds none. */
export const keysExample = (): string =>
  [
    "# Keys of remote-agent: copy this file to .env and fill in what you need. Never commit .env.",
    ...RemoteAgentConfig.names
      .filter((name) => RemoteAgentConfig.settings[name].secret)
      .map((name) => `\n# ${RemoteAgentConfig.settings[name].describe}.\n${name}=`),
    ""
  ].join("\n")

/**
 * The text of `.env` with one key set: in the place where it was, else at the end. The value is quoted, so that it is
 * read as it is.
 */
export const withKey = (text: string, name: RemoteAgentConfig.Name, value: string): string => {
  const entry = `${name}='${value}'`
  const lines = text.split("\n")
  const at = lines.findIndex((line) => new RegExp(`^\\s*(export\\s+)?${name}\\s*=`).test(line))
  if (at >= 0) return lines.with(at, entry).join("\n")
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${entry}\n`
}

/** The text of `.gitignore` with `.env` in it; undefined when it is there already. */
export const ignoringKeys = (text: string): string | undefined =>
  text.split("\n").some((line) => /^\/?\.env\*?\s*$/.test(line))
    ? undefined
    : `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}.env\n`
