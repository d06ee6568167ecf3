import { Effect } from "effect"
import { command } from "../shared/command.ts"
import { agents, durable, onOff } from "../shared/flags.ts"
import * as Bulk from "./bulk.ts"

/** `resume`. */
export const resume = command({
  name: "resume",
  description: "Resume paused agents",
  flags: { agents, all: onOff("all", "Every paused agent"), ...durable },
  examples: [{ command: "remote-agent resume analyst", description: "Before the next query" }],
  run: Effect.fn("resume")((flags) =>
    Bulk.each(flags, {
      all: { status: "paused" },
      act: (orchestrator, agent) => Effect.flatMap(orchestrator.agents.of(agent).resume, Bulk.statusOf)
    })
  )
})
