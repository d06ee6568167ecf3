import { Effect } from "effect"
import { command } from "../shared/command.ts"
import { busy } from "../shared/flags.ts"
import * as Bulk from "./bulk.ts"

/** `pause`. */
export const pause = command({
  name: "pause",
  description: "Pause agents: memory and files are kept, and a query resumes them",
  flags: busy,
  examples: [
    { command: "remote-agent pause analyst --wait", description: "Once it has answered" },
    { command: "remote-agent pause --all", description: "All active agents" }
  ],
  run: Effect.fn("pause")(function* (flags) {
    const options = { whenRunning: yield* Bulk.whenRunning(flags) }
    yield* Bulk.each(flags, {
      all: { status: "active" },
      question: Bulk.cancelling("Pause", flags),
      yes: flags.yes,
      act: (orchestrator, agent) =>
        Effect.flatMap(orchestrator.agents.of(agent).pause(options), Bulk.statusOf)
    })
  })
})
