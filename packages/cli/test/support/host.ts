import { CommandHost } from "@remote-agent/cli"
import { Layer } from "effect"
import { join } from "node:path"

/** What a process knows in whose folder everything is, where nobody can be asked and no local server started. */
export const host = (
  cwd: string,
  env: Readonly<Record<string, string>> = {},
  leftovers: (text: string) => void = () => undefined
): Layer.Layer<CommandHost.CommandHost> =>
  Layer.succeed(CommandHost.CommandHost, {
    env,
    cwd,
    dataFolder: join(cwd, "data"),
    interactive: false,
    log: () => undefined,
    command: ["false"],
    leftovers
  })
