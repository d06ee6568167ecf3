import { Effect } from "effect"
import { command } from "../shared/command.ts"
import { agents, durable, onOff, yes } from "../shared/flags.ts"
import * as Bulk from "./bulk.ts"

/** `update`. */
export const update = command({
  name: "update",
  description: "Update agents to the program that their profile names now, and roll back if that fails",
  flags: {
    agents,
    all: onOff("all", "Every active agent"),
    wait: onOff("wait", "Wait for running queries to end"),
    cancel: onOff("cancel", "Cancel running queries"),
    yes,
    ...durable
  },
  examples: [{ command: "remote-agent update --all --wait", description: "Each once it has answered" }],
  run: Effect.fn("update")(function* (flags) {
    const options = { whenRunning: yield* Bulk.whenRunning(flags) }
    yield* Bulk.each(flags, {
      all: { status: "active" },
      question: flags.cancel
        ? (count) => `Update ${Bulk.some(count)} and cancel their running queries?`
        : undefined,
      yes: flags.yes,
      act: (orchestrator, agent) =>
        Effect.map(orchestrator.agents.of(agent).update(options), ({ from, to }) => ({
          text: `${agent.name} (${agent.id}) ${from === to ? `is up to date${to === undefined ? "" : ` at ${to}`}.` : `is now at ${to ?? "?"}, was at ${from ?? "?"}.`}`,
          document: { agentId: agent.id, from: from ?? null, to: to ?? null }
        }))
    })
  })
})
