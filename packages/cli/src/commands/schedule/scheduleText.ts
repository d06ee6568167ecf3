import { Id, type Schedule, ScheduleTick } from "@remote-agent/domain"
import { DateTime, Effect, Option } from "effect"
import { Argument } from "effect/cli"
import { jsonText } from "../../ui/plainText.ts"
import { line, Screen } from "../../ui/Screen.ts"

/** The id of a schedule, as an argument. */
export const scheduleId = Argument.String("schedule").pipe(
  Argument.withSchema(Id.ScheduleId),
  Argument.withDescription("The id of the schedule, such as sch_01jd…")
)

/** The next times of a schedule, in its own zone. */
const nextTimes = (schedule: Schedule.Schedule, now: DateTime.Utc, count: number): ReadonlyArray<string> =>
  ScheduleTick.upcoming(schedule, now, count).map((tick) =>
    DateTime.formatIsoOffset(
      Option.getOrElse(DateTime.setZoneNamed(tick, schedule.zone), () => DateTime.setZoneOffset(tick, 0))
    )
  )

/** A schedule as a document. */
export const document = (schedule: Schedule.Schedule, now: DateTime.Utc) => {
  const { cron, id, missed, name, overlap, status, template, zone } = schedule
  return {
    id,
    ...(name === undefined ? {} : { name }),
    cron,
    zone,
    status,
    missed,
    overlap,
    profile: template.profile,
    size: template.size,
    questions: template.questions.length,
    next: status === "active" ? nextTimes(schedule, now, 3) : []
  }
}

/** Prints a schedule and its next times. */
export const print = Effect.fnUntraced(function* (schedule: Schedule.Schedule, json: boolean) {
  const { out } = yield* Screen
  const shown = document(schedule, yield* DateTime.now)
  yield* line(
    out,
    json
      ? jsonText(shown)
      : [
          `${shown.id} ${shown.status}: ${shown.cron} (${shown.zone})`,
          ...shown.next.map((tick) => `  ${tick}`)
        ].join("\n")
  )
})
