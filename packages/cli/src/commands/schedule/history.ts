import type { Schedule } from "@remote-agent/domain"
import { RunStore, ScheduleStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, Option, Schema } from "effect"
import { Flag } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { jsonText } from "../../ui/plainText.ts"
import { bold, line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { atState, command } from "../shared/command.ts"
import { state } from "../shared/flags.ts"
import { scheduleId } from "./scheduleText.ts"

const head = ["TIME", "OUTCOME", "RUN", "STATUS", "ANSWERED", "FAILED", "TOTAL"]

/** A time of a schedule, and how its run stands. */
const rowOf = Effect.fnUntraced(function* ({ outcome, runId, tick }: Schedule.TickRecord) {
  const store = yield* RunStore.RunStore
  const run = runId === undefined ? Option.none() : yield* Effect.option(store.get(runId))
  return {
    time: DateTime.formatIso(tick),
    outcome,
    ...(runId === undefined ? {} : { run: runId }),
    ...(Option.isNone(run)
      ? {}
      : {
          status: run.value.status,
          answered: run.value.counts.ok,
          failed: run.value.counts.failed,
          total: run.value.counts.total
        })
  }
})

/** `schedule history`. */
export const history = command({
  name: "schedule history",
  at: atState,
  description: "List the past times of a schedule with their runs, newest first",
  flags: {
    schedule: scheduleId,
    limit: Flag.Int("limit").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))),
      Flag.withDefault(20),
      Flag.withDescription("How many times at most")
    ),
    state
  },
  examples: [{ command: "remote-agent schedule history sch_01jd…", description: "The last 20 times" }],
  run: Effect.fn("schedule history")(
    function* ({ json, limit, schedule: id }): Run<State.Records> {
      const [{ note, out }, store] = [yield* Screen, yield* ScheduleStore.ScheduleStore]
      yield* store.get(id)
      const rows = yield* Effect.forEach(yield* store.history(id, limit), rowOf)
      if (rows.length === 0) return yield* line(note, "There are no past times of this schedule.")
      if (json) return yield* Effect.forEach(rows, (row) => line(out, jsonText(row)), { discard: true })
      const cells = rows.map(
        ({ answered = "", failed = "", outcome, run = "", status = "", time, total = "" }) =>
          [time, outcome, run, status, answered, failed, total].map(String)
      )
      const [first = "", ...body] = Table.render([head, ...cells], Table.widthOf(out))
      yield* line(out, [bold(out, first), ...body].join("\n"))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
