import { RunRecords } from "@remote-agent/orchestrator"
import { Effect, Stream } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { besideServer, command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import { runId } from "./shared/runFlags.ts"
import { print } from "./shared/workOn.ts"

/** `run watch`. */
export const watch = command({
  name: "run watch",
  at: besideServer,
  description: "Show the status of a run whenever it changes, until nothing more happens to it",
  flags: { run: runId, state },
  examples: [
    { command: "remote-agent run watch run_01jd… --json", description: "One JSON document per change" }
  ],
  run: Effect.fn("run watch")(
    function* ({ json, run }): Run<State.Records> {
      const records = yield* RunRecords.make
      yield* Stream.runForEach(records.watch(run), (one) => print(one, json))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
