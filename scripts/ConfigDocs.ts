/** Generates the reference of the settings from their table. */
import { RemoteAgentConfig } from "@remote-agent/domain"

const row = (name: RemoteAgentConfig.Name): string => {
  const { describe, expected, secret } = RemoteAgentConfig.settings[name]
  const fallback = RemoteAgentConfig.fallbackText(name)
  const cells = [
    `\`${name}\`${secret ? " (secret)" : ""}`,
    describe,
    expected,
    fallback === "" ? "" : `\`${fallback}\``
  ]
  return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`
}

/** `docs/configuration.md`. */
export const configuration = [
  "# Configuration",
  "Generated from the settings by `pnpm run docs`.",
  "A setting is read from a flag, then the environment, then `.env`, then `remote-agent.json`; otherwise its default applies. The command line reads `.env` and `remote-agent.json` in the current folder. A library reads only the current `ConfigProvider`. In `remote-agent.json`, a name that starts with `//` is a comment. Put keys in the environment or in `.env`.",
  "`remote-agent init` writes both files, `remote-agent config show` prints each setting and its source, and `remote-agent config check` reports every problem at once.",
  [
    "| setting | purpose | value | default |",
    "| --- | --- | --- | --- |",
    ...RemoteAgentConfig.names.map(row)
  ].join("\n"),
  "The command line also reads these variables: `REMOTE_AGENT_DATA` (the data folder, which contains the state; by default `remote-agent` in `$XDG_DATA_HOME` or `~/.local/share`), `XDG_CACHE_HOME` (compiled code is cached in its folder `remote-agent`, by default in `~/.cache`, to make starts faster; `NODE_DISABLE_COMPILE_CACHE=1` turns the cache off), `NO_COLOR`, and `TRACEPARENT` (the trace that a command belongs to).",
  ""
].join("\n\n")
