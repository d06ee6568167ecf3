/** Generates the reference of the settings from their table. */
import { RemoteAgentConfig } from "@remote-agent/domain"

const row = (name: RemoteAgentConfig.Name): string => {
  const { describe, expected, privilege, secret }: RemoteAgentConfig.AnySetting =
    RemoteAgentConfig.settings[name]
  const fallback = RemoteAgentConfig.fallbackText(name)
  const cells = [
    `\`${name}\`${secret ? " (secret)" : ""}`,
    describe,
    expected,
    fallback === "" ? "" : `\`${fallback}\``,
    privilege?.describe ?? ""
  ]
  return `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`
}

/** `docs/configuration.md`. */
export const configuration = [
  "# Configuration",
  "Generated from the settings by `pnpm run docs`.",
  "A setting is read from a flag, then the environment, then `.env` and `remote-agent.json` in the current folder, then your own `~/.config/remote-agent/config.json` (in `$XDG_CONFIG_HOME`, if that is set); otherwise its default applies. Both JSON files have the same form, and may contain comments and trailing commas. A library reads only the current `ConfigProvider`. Put keys in the environment, in `.env` or in your own `config.json`.",
  "`remote-agent init` writes both files, `remote-agent config show` prints each setting and its source, and `remote-agent config check` reports every problem at once.",
  [
    "| setting | purpose | value | default | needs trust |",
    "| --- | --- | --- | --- | --- |",
    ...RemoteAgentConfig.names.map(row)
  ].join("\n"),
  "## Trust",
  "The files of a folder may come from another person. A setting that *needs trust* is taken from them only after you have run `remote-agent trust` in that folder; until then, a command that would use it stops before it does anything, with exit code 2. The same applies to variables in `.env` that are not settings, unless their names end in `_API_KEY` or `_TOKEN`: a proxy, a certificate or the address of a model would otherwise lead your keys elsewhere. `E2B_API_KEY` in `.env` needs trust when keys of models are set outside the folder, because the sandboxes of that account get them.",
  "Trust is for one file with one content. After a change you are asked again. `trust --list` shows the trusted files, and `trust --remove` forgets those of a folder. In CI, set `REMOTE_AGENT_TRUST` in the environment to the trusted folders or files, separated by `:`, or give `--trust`. Flags, the environment and your own `config.json` need no trust.",
  "An address that gets a key must be `https://`, except on this machine.",
  "## Other variables",
  "The command line also reads these variables: `REMOTE_AGENT_DATA` (the data folder, which contains the state; by default `remote-agent` in `$XDG_DATA_HOME` or `~/.local/share`), `XDG_CACHE_HOME` (compiled code is cached in its folder `remote-agent`, by default in `~/.cache`, to make starts faster; `NODE_DISABLE_COMPILE_CACHE=1` turns the cache off), `REMOTE_AGENT_TRUST`, `NO_COLOR`, and `TRACEPARENT` (the trace that a command belongs to).",
  ""
].join("\n\n")
