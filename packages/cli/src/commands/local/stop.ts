import { DaemonStart } from "@remote-agent/e2b-local"
import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { onOff } from "../shared/flags.ts"

/** `local stop`. */
export const stop = command({
  name: "local stop",
  at: "machine",
  description: "Stop the local server. Refused while it has sandboxes",
  flags: { yes: onOff("yes", "Stop it although it has sandboxes, and delete them") },
  examples: [
    { command: "remote-agent local stop", description: "While no sandbox is left" },
    { command: "remote-agent local stop --yes", description: "With all its sandboxes" }
  ],
  run: Effect.fn("local stop")(function* ({ json, yes }): Run {
    const [{ out }, { dataFolder: folder }] = [yield* Screen, yield* CommandHost]
    const { entry, status } = yield* DaemonStart.stop(folder, yes)
    const sandboxes = status.running + status.paused
    const deleted =
      sandboxes === 0 ? "" : ` ${sandboxes} ${sandboxes === 1 ? "sandbox was" : "sandboxes were"} deleted.`
    yield* line(
      out,
      json
        ? jsonText({ stopped: true, pid: entry.owner.pid, sandboxes })
        : `The local server (pid ${entry.owner.pid}) has stopped.${deleted}`
    )
  })
})
