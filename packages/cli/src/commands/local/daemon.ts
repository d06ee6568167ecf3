import { Daemon } from "@remote-agent/e2b-local"
import { Duration, Effect } from "effect"
import { Command } from "effect/cli"
import * as DataFolder from "../../app/dataFolder.ts"
import type { Run } from "../../app/Environment.ts"
import * as LocalDaemon from "../../app/LocalDaemon.ts"
import { version } from "../../version.ts"
import { command } from "../shared/command.ts"
import { limitsOf, serverFlags } from "./serverFlags.ts"

/** `local daemon`: the server in the background. The binary starts it; its output goes to the server's log. */
export const daemon = command({
  name: "local daemon",
  at: "machine",
  description: "Run the local server in the background of another command",
  flags: serverFlags,
  examples: [{ command: "remote-agent local daemon --idle 600", description: "As other commands start it" }],
  run: Effect.fn("local daemon")(function* ({ idle, isolation, ...bounds }): Run {
    const folder = yield* DataFolder.ensure
    yield* Daemon.serve({
      folder,
      version,
      isolation,
      limits: limitsOf(bounds),
      idle: Duration.seconds(idle ?? LocalDaemon.idleSeconds),
      background: true
    })
  })
}).pipe(Command.unlisted)
