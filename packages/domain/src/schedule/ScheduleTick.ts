import { Cron, DateTime, Duration, Option, Result } from "effect"
import type { Schedule } from "./Schedule.ts"

/**
 * A time of a schedule and what is to become of it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Decision {
  readonly tick: DateTime.Utc
  readonly outcome: "started" | "missed" | "overlapped"
}

/** A time that is older than this was missed. */
const punctual = Duration.minutes(2)

/** How many past times are decided at once. The rest follows with the next look. */
const most = 2000

/**
 * Parses a cron expression with a zone. Returns none when the expression or the zone is not valid.
 *
 * **Details**
 *
 * A local time that occurs twice in the night when clocks go back counts once, the first time.
 *
 * @category parsing
 * @since 0.2.0
 */
export const parse = (cron: string, zone: string): Option.Option<Cron.Cron> =>
  Option.flatMap(DateTime.zoneMakeNamed(zone), (tz) =>
    Option.fromNullishOr(Result.getOrNull(Cron.parse(cron, tz)))
  )

/**
 * The next times of a schedule after a time.
 *
 * @category decisions
 * @since 0.2.0
 */
export const upcoming = (
  { cron, zone }: Pick<Schedule, "cron" | "zone">,
  after: DateTime.Utc,
  count: number
): ReadonlyArray<DateTime.Utc> =>
  Option.match(parse(cron, zone), {
    onNone: () => [],
    onSome: (parsed) => {
      const ticks: Array<DateTime.Utc> = []
      for (const date of Cron.sequence(parsed, after)) {
        if (ticks.length >= count) break
        ticks.push(DateTime.fromDateUnsafe(date))
      }
      return ticks
    }
  })

/** The times that have passed and are not decided, oldest first. */
const passed = (schedule: Schedule, now: DateTime.Utc): ReadonlyArray<DateTime.Utc> => {
  const parsed = Option.getOrUndefined(parse(schedule.cron, schedule.zone))
  const ticks: Array<DateTime.Utc> = []
  if (parsed === undefined) return ticks
  for (const date of Cron.sequence(parsed, schedule.decidedUntil)) {
    const tick = DateTime.fromDateUnsafe(date)
    if (DateTime.isGreaterThan(tick, now) || ticks.length >= most) break
    ticks.push(tick)
  }
  return ticks
}

/**
 * The decisions about the times of a schedule that have passed.
 *
 * @category models
 * @since 0.2.0
 */
export interface Decisions {
  readonly decisions: ReadonlyArray<Decision>
  /** The time that waits for the end of an earlier run. */
  readonly waiting: DateTime.Utc | undefined
  readonly decidedUntil: DateTime.Utc
}

/** Applies the policy for times that passed while no process watched: the times that may still start a run. */
const retained = (
  policy: Schedule["missed"],
  missed: ReadonlyArray<DateTime.Utc>,
  current: ReadonlyArray<DateTime.Utc>
): ReadonlyArray<DateTime.Utc> => {
  switch (policy) {
    case "all":
      return [...missed, ...current]
    case "one":
      // A time that is due now makes up for those that were missed.
      return current.length === 0 ? missed.slice(-1) : current
    case "skip":
      return current
  }
}

/**
 * Decides the times of a schedule that have passed, oldest first. `isRunning` says whether the run of an earlier time is
 * not over.
 *
 * **Details**
 *
 * A time is missed when it is more than two minutes old. `missed` decides about those, and `overlap` about all that
 * remain: with `all` each starts a run, with `skip` a time during a run starts none, and with `one` the last of them
 * waits for the end of the run.
 *
 * @category decisions
 * @since 0.2.0
 */
export const decide = (schedule: Schedule, now: DateTime.Utc, isRunning: boolean): Decisions => {
  const none = { decisions: [], waiting: schedule.waiting, decidedUntil: schedule.decidedUntil }
  if (schedule.status !== "active") return none
  const ticks = passed(schedule, now)
  const limit = DateTime.subtractDuration(now, punctual)
  const missed = ticks.filter((tick) => DateTime.isLessThan(tick, limit))
  const current = ticks.slice(missed.length)
  const kept = retained(schedule.missed, missed, current)
  const keeps = new Set(kept)
  const decisions: Array<Decision> = missed
    .filter((tick) => !keeps.has(tick))
    .map((tick) => ({ tick, outcome: "missed" }))
  const queue = [...(schedule.waiting === undefined ? [] : [schedule.waiting]), ...kept]
  let [running, waiting] = [isRunning, undefined as DateTime.Utc | undefined]
  for (const tick of queue) {
    if (schedule.overlap === "all" || !running) {
      decisions.push({ tick, outcome: "started" })
      running = true
    } else if (schedule.overlap === "skip") {
      decisions.push({ tick, outcome: "overlapped" })
    } else {
      if (waiting !== undefined) decisions.push({ tick: waiting, outcome: "overlapped" })
      waiting = tick
    }
  }
  return { decisions, waiting, decidedUntil: ticks.at(-1) ?? schedule.decidedUntil }
}
