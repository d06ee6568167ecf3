import { Effect } from "effect"
import { command } from "../shared/command.ts"
import { agents, durable, onOff, yes } from "../shared/flags.ts"
import * as Bulk from "./bulk.ts"

/** `terminate`. */
export const terminate = command({
  name: "terminate",
  alias: "rm",
  description: "Terminate agents and their sandboxes, with all files in them",
  flags: { agents, all: onOff("all", "Every agent"), yes, ...durable },
  examples: [
    { command: "remote-agent terminate analyst", description: "One agent" },
    { command: "remote-agent terminate --all --yes", description: "All agents, in a script" }
  ],
  run: Effect.fn("terminate")((flags) =>
    Bulk.each(flags, {
      all: { status: ["launching", "active", "paused", "failed", "lost"] },
      question: (count) => `Terminate ${Bulk.some(count)} and delete all files in their sandboxes?`,
      yes: flags.yes,
      act: (orchestrator, agent) => Effect.flatMap(orchestrator.agents.of(agent).terminate, Bulk.statusOf)
    })
  )
})
