import { Schedule } from "@remote-agent/domain"
import { ScheduleStore } from "@remote-agent/orchestrator"
import { DateTime, Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { atState, command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import { print, scheduleId } from "./scheduleText.ts"

/** `schedule resume`. */
export const resume = command({
  name: "schedule resume",
  at: atState,
  description: "Resume a paused schedule from now on",
  flags: { schedule: scheduleId, state },
  examples: [{ command: "remote-agent schedule resume sch_01jd…", description: "The schedule of this id" }],
  run: Effect.fn("schedule resume")(
    function* ({ json, schedule: id }): Run<State.Records> {
      const store = yield* ScheduleStore.ScheduleStore
      const now = yield* DateTime.now
      const changed = yield* store.change(
        id,
        (schedule) => new Schedule.Schedule({ ...schedule, status: "active", decidedUntil: now })
      )
      yield* print(changed, json)
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
