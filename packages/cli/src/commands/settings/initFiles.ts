import { RemoteAgentConfig } from "@remote-agent/domain"
import { version } from "../../version.ts"

/** Settings to write, by name. */
export type Chosen = { readonly [N in RemoteAgentConfig.Name]?: string }

/** Secrets belong in `.env`; every other setting may be in the file. */
const inFile = RemoteAgentConfig.names.filter((name) => !RemoteAgentConfig.settings[name].secret)

const explanation = (name: RemoteAgentConfig.Name): string => {
  const { describe, expected } = RemoteAgentConfig.settings[name]
  const fallback = RemoteAgentConfig.fallbackText(name)
  return `${describe} (${expected}${fallback === "" ? "" : `; default: ${fallback}`})`
}

/** Where editors find the schema of the file. */
export const schema = `https://unpkg.com/remote-agent@${version}/schemas/settings.json`

/** A `remote-agent.json` with the chosen settings, and every other setting in a comment. */
export const settingsFile = (chosen: Chosen): string => {
  const entries = inFile.map((name) => {
    const value = chosen[name]
    const shown = JSON.stringify(value ?? RemoteAgentConfig.fallbackText(name))
    return `  // ${explanation(name)}\n  ${value === undefined ? "// " : ""}"${name}": ${shown},\n`
  })
  return [
    "{",
    `  "$schema": "${schema}",`,
    "  // The environment and .env win over this file. Keys belong in .env, not here.\n",
    ...entries,
    "}",
    ""
  ].join("\n")
}

/** A `.env.example` that names every key and contains none. */
export const keysExample = (): string =>
  [
    "# Keys of remote-agent: copy this file to .env and fill in what you need. Never commit .env.",
    ...RemoteAgentConfig.names
      .filter((name) => RemoteAgentConfig.settings[name].secret)
      .map((name) => `\n# ${RemoteAgentConfig.settings[name].describe}.\n${name}=`),
    ""
  ].join("\n")

/** The text of `.env` with one key set, in its old place or at the end. The value is quoted. */
export const withKey = (text: string, name: RemoteAgentConfig.Name, value: string): string => {
  const entry = `${name}='${value}'`
  const lines = text.split("\n")
  const at = lines.findIndex((line) => new RegExp(`^\\s*(export\\s+)?${name}\\s*=`).test(line))
  if (at >= 0) return lines.with(at, entry).join("\n")
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${entry}\n`
}

/** The text of `.gitignore` with `.env` added, or undefined when it is ignored already. */
export const ignoringKeys = (text: string): string | undefined =>
  text.split("\n").some((line) => /^\/?\.env\*?\s*$/.test(line))
    ? undefined
    : `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}.env\n`
