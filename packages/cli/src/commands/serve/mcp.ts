import { McpRegistrations } from "@remote-agent/server"
import { Effect, Layer, Stdio } from "effect"
import { McpServer } from "effect/ai"
import * as App from "../../app/App.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { version } from "../../version.ts"
import { command } from "../shared/command.ts"
import { durable, profile } from "../shared/flags.ts"

/** `mcp`. */
export const mcp = command({
  name: "mcp",
  description:
    "Serve agents as tools over MCP on standard input and output, for Claude Code and other clients",
  flags: { profile, ...durable },
  examples: [
    { command: "claude mcp add agents -- remote-agent mcp", description: "Agents on this machine" },
    {
      command: "remote-agent mcp --server https://agents.example.com --token-file token",
      description: "The agents of a server, for clients that speak no HTTP"
    }
  ],
  run: Effect.fn("mcp")(
    function* (flags): Run<State.Records | Stdio.Stdio> {
      const { leftovers } = yield* CommandHost
      leftovers("Agents and queries continue.", "Agents and queries continue.")
      const stdio = yield* Stdio.Stdio
      const served = McpServer.layerStdio({
        ...McpRegistrations.options,
        version,
        registrations: McpRegistrations.layer
      }).pipe(
        Layer.orDie,
        Layer.provide(App.repositories(flags)),
        Layer.provide(Layer.succeed(Stdio.Stdio, stdio))
      )
      return yield* Layer.launch(served)
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
