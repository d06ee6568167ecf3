import { RunRecords } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { besideServer, command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import { runId } from "./shared/runFlags.ts"
import { print } from "./shared/workOn.ts"

/** `run pause`. */
export const pause = command({
  name: "run pause",
  at: besideServer,
  description: "Let the running questions of a run end, and start no other",
  flags: { run: runId, state },
  examples: [{ command: "remote-agent run pause run_01jd…", description: "The run of this id" }],
  run: Effect.fn("run pause")(
    function* ({ json, run }): Run<State.Records> {
      const records = yield* RunRecords.make
      yield* print(yield* records.pause(run), json)
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
