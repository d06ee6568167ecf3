import { Schedules } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { atState, command } from "../shared/command.ts"
import { onOff, state } from "../shared/flags.ts"

/** `schedule watch`. */
export const watch = command({
  name: "schedule watch",
  at: atState,
  description:
    "Record the runs of all schedules at their times until Ctrl-C, without answering their questions",
  flags: { once: onOff("once", "Decide the times that have passed, and end"), state },
  examples: [
    { command: "remote-agent schedule watch --once", description: "For a machine with a cron of its own" }
  ],
  run: Effect.fn("schedule watch")(
    function* ({ once }): Run<State.Records> {
      const [{ leftovers }, schedules] = [yield* CommandHost, yield* Schedules.make]
      leftovers("Nothing is left.", "Stopping.")
      yield* once ? schedules.tick : schedules.watch
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
