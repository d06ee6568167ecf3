import { ScheduleStore } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { jsonText } from "../../ui/plainText.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { atState, command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import { scheduleId } from "./scheduleText.ts"

/** `schedule delete`. */
export const remove = command({
  name: "schedule delete",
  at: atState,
  description: "Delete a schedule and its history. Its runs stay",
  flags: { schedule: scheduleId, state },
  examples: [{ command: "remote-agent schedule delete sch_01jd…", description: "The schedule of this id" }],
  run: Effect.fn("schedule delete")(
    function* ({ json, schedule: id }): Run<State.Records> {
      const [{ out }, store] = [yield* Screen, yield* ScheduleStore.ScheduleStore]
      yield* store.get(id)
      yield* store.remove(id)
      yield* line(out, json ? jsonText({ id, deleted: true }) : `${id} deleted`)
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
