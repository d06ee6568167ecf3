/** The reference of the settings, made from the settings themselves. */
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
  "Made from the settings themselves by `pnpm docs`.",
  "A setting comes from a flag, else the environment, else `.env`, else `remote-agent.json`, else the default. The binary reads `.env` and `remote-agent.json` in the folder it is run in; a library reads the current `ConfigProvider` and nothing else. In `remote-agent.json`, a name that starts with `//` is a comment. Keys belong into the environment or `.env`.",
  "`remote-agent init` writes both files, `remote-agent config show` tells what holds and where it comes from, and `remote-agent config check` reports every problem at once.",
  [
    "| setting | what it is for | what it takes | default |",
    "| --- | --- | --- | --- |",
    ...RemoteAgentConfig.names.map(row)
  ].join("\n"),
  "The binary reads a few variables besides: `REMOTE_AGENT_DATA` (the folder for what outlives a command; else `remote-agent` in `$XDG_DATA_HOME` or `~/.local/share`), `XDG_CACHE_HOME` (compiled code, which makes starts faster, is kept in `remote-agent` there, else in `~/.cache`; `NODE_DISABLE_COMPILE_CACHE=1` keeps none), `NO_COLOR`, and `TRACEPARENT` (the trace that a command belongs to).",
  ""
].join("\n\n")
