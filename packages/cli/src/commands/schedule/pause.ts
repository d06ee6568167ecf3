import { Schedule } from "@remote-agent/domain"
import { ScheduleStore } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { atState, command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import { print, scheduleId } from "./scheduleText.ts"

/** `schedule pause`. */
export const pause = command({
  name: "schedule pause",
  at: atState,
  description: "Pause a schedule: it starts no run",
  flags: { schedule: scheduleId, state },
  examples: [{ command: "remote-agent schedule pause sch_01jd…", description: "The schedule of this id" }],
  run: Effect.fn("schedule pause")(
    function* ({ json, schedule: id }): Run<State.Records> {
      const store = yield* ScheduleStore.ScheduleStore
      const changed = yield* store.change(
        id,
        (schedule) => new Schedule.Schedule({ ...schedule, status: "paused" })
      )
      yield* print(changed, json)
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
