import { Effect } from "effect"
import { command } from "../shared/command.ts"
import { busy } from "../shared/flags.ts"
import * as Bulk from "./bulk.ts"

/** `update`. */
export const update = command({
  name: "update",
  description: "Update agents to the program that their profile names now, and roll back if that fails",
  flags: busy,
  examples: [{ command: "remote-agent update --all --wait", description: "Each once it has answered" }],
  run: Effect.fn("update")(function* (flags) {
    const options = { whenRunning: yield* Bulk.whenRunning(flags) }
    yield* Bulk.each(flags, {
      all: { status: "active" },
      question: Bulk.cancelling("Update", flags),
      yes: flags.yes,
      act: (orchestrator, agent) =>
        Effect.map(orchestrator.agents.of(agent).update(options), ({ from, to }) => ({
          text: `${agent.name} (${agent.id}) ${from === to ? `is up to date${to === undefined ? "" : ` at ${to}`}.` : `is now at ${to ?? "?"}, was at ${from ?? "?"}.`}`,
          document: { agentId: agent.id, from: from ?? null, to: to ?? null }
        }))
    })
  })
})
