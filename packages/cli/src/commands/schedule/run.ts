import { Schedules } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { print } from "../run/shared/workOn.ts"
import { atState, command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import { scheduleId } from "./scheduleText.ts"

/** `schedule run`. */
export const run = command({
  name: "schedule run",
  at: atState,
  description: "Record a run of a schedule now, beside its times, for a worker or `run resume`",
  flags: { schedule: scheduleId, state },
  examples: [{ command: "remote-agent schedule run sch_01jd…", description: "Prints the run" }],
  run: Effect.fn("schedule run")(
    function* ({ json, schedule: id }): Run<State.Records> {
      const { runNow } = yield* Schedules.make
      yield* print(yield* runNow(id), json)
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
