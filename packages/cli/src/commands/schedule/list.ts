import { ScheduleStore } from "@remote-agent/orchestrator"
import { DateTime, Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { jsonText } from "../../ui/plainText.ts"
import { bold, line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { atState, command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import { document } from "./scheduleText.ts"

const head = ["SCHEDULE", "NAME", "CRON", "ZONE", "STATUS", "PROFILE", "QUESTIONS", "NEXT"]

/** `schedule list`. */
export const list = command({
  name: "schedule list",
  at: atState,
  description: "List schedules with their next times",
  flags: { state },
  examples: [{ command: "remote-agent schedule list --json", description: "One JSON document per line" }],
  run: Effect.fn("schedule list")(
    function* ({ json }): Run<State.Records> {
      const [{ note, out }, store] = [yield* Screen, yield* ScheduleStore.ScheduleStore]
      const now = yield* DateTime.now
      const all = (yield* store.list).map((schedule) => document(schedule, now))
      if (all.length === 0) {
        return yield* line(note, 'There are no schedules.\n  remote-agent schedule create "0 7 * * 1-5" "…"')
      }
      if (json) return yield* Effect.forEach(all, (one) => line(out, jsonText(one)), { discard: true })
      const rows = all.map(({ cron, id, name = "", next, profile, questions, status, zone }) => [
        id,
        name,
        cron,
        zone,
        status,
        profile,
        String(questions),
        next[0] ?? ""
      ])
      const [first = "", ...body] = Table.render([head, ...rows], Table.widthOf(out))
      yield* line(out, [bold(out, first), ...body].join("\n"))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
