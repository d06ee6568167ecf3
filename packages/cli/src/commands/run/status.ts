import { RunRecords } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { besideServer, command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import { runId } from "./shared/runFlags.ts"
import { print } from "./shared/workOn.ts"

/** `run status`. */
export const status = command({
  name: "run status",
  at: besideServer,
  description: "Show the status of a run and the number of its questions by state",
  flags: { run: runId, state },
  examples: [{ command: "remote-agent run status run_01jd… --json", description: "As one JSON document" }],
  run: Effect.fn("run status")(
    function* ({ json, run }): Run<State.Records> {
      const { get } = yield* RunRecords.make
      yield* print(yield* get(run), json)
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
