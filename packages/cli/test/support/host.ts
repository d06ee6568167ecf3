import { CommandHost } from "@remote-agent/cli"
import { Layer } from "effect"
import { join } from "node:path"

/** A process without a terminal that keeps everything in one folder and cannot start a local server. */
export const host = (
  cwd: string,
  env: Readonly<Record<string, string>> = {},
  leftovers: (text: string) => void = () => undefined,
  isPiped = false
): Layer.Layer<CommandHost.CommandHost> =>
  Layer.succeed(CommandHost.CommandHost, {
    env,
    cwd,
    dataFolder: join(cwd, "data"),
    interactive: false,
    piped: () => isPiped,
    log: () => undefined,
    command: ["false"],
    leftovers
  })
