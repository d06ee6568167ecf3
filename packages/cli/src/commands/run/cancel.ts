import { Runs } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { besideServer, command } from "../shared/command.ts"
import { durable } from "../shared/flags.ts"
import { runId } from "./shared/runFlags.ts"
import { layer } from "./shared/runLayer.ts"
import { print } from "./shared/workOn.ts"

/** `run cancel`. */
export const cancel = command({
  name: "run cancel",
  at: besideServer,
  description: "Cancel a run: its running questions too",
  flags: { run: runId, ...durable },
  examples: [{ command: "remote-agent run cancel run_01jd…", description: "The run of this id" }],
  run: Effect.fn("run cancel")(
    function* (flags): Run<State.Records> {
      yield* Effect.gen(function* () {
        const runs = yield* Runs.Runs
        const { size } = yield* runs.cancel(flags.run)
        // Where no worker does it, this command cancels the queries and terminates the agents.
        yield* runs.work({ run: flags.run, slots: size })
        yield* print(yield* runs.get(flags.run), flags.json)
      }).pipe(Effect.provide(layer(flags)))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
