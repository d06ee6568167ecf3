import { RunRecords } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { besideServer, command } from "../shared/command.ts"
import { onOff, state } from "../shared/flags.ts"
import { order, output, runId } from "./shared/runFlags.ts"
import { deliver } from "./shared/workOn.ts"

/** `run results`. */
export const results = command({
  name: "run results",
  at: besideServer,
  description: "Print the results of a run, or write them to a file",
  flags: {
    run: runId,
    follow: onOff("follow", "Wait for further results until the run has none to come"),
    order,
    ...output,
    state
  },
  examples: [
    { command: "remote-agent run results run_01jd… --json", description: "One JSON document per question" },
    {
      command: "remote-agent run results run_01jd… --follow --output results.csv",
      description: "Continues the file, if there is one"
    }
  ],
  run: Effect.fn("run results")(
    function* (flags): Run<State.Records> {
      const records = yield* RunRecords.make
      // A missing run is a failure also when it has no results.
      yield* records.get(flags.run)
      yield* deliver(records, flags.run, flags)
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
