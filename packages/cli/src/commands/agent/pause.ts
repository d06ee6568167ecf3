import { Effect } from "effect"
import { command } from "../shared/command.ts"
import { agents, durable, onOff, yes } from "../shared/flags.ts"
import * as Bulk from "./bulk.ts"

/** `pause`. */
export const pause = command({
  name: "pause",
  description: "Pause agents: memory and files are kept, and a query resumes them",
  flags: {
    agents,
    all: onOff("all", "Every active agent"),
    wait: onOff("wait", "Wait for running queries to end"),
    cancel: onOff("cancel", "Cancel running queries"),
    yes,
    ...durable
  },
  examples: [
    { command: "remote-agent pause analyst --wait", description: "Once it has answered" },
    { command: "remote-agent pause --all", description: "All active agents" }
  ],
  run: Effect.fn("pause")(function* (flags) {
    const options = { whenRunning: yield* Bulk.whenRunning(flags) }
    yield* Bulk.each(flags, {
      all: { status: "active" },
      question: flags.cancel
        ? (count) => `Pause ${Bulk.some(count)} and cancel their running queries?`
        : undefined,
      yes: flags.yes,
      act: (orchestrator, agent) =>
        Effect.flatMap(orchestrator.agents.of(agent).pause(options), Bulk.statusOf)
    })
  })
})
