import { DateTime, Duration, Effect, Option } from "effect"
import { Flag } from "effect/cli"
import { Usage } from "../../ui/Failure.ts"

const units = { d: 86_400, h: 3600, m: 60, s: 1 } as const

/** The seconds of `90`, `5m`, `1h30m` or `7d`: a number of seconds, or days, hours, minutes and seconds in this order. */
export const secondsOf = (text: string): Option.Option<number> => {
  if (/^\d{1,10}$/.test(text)) return Option.some(Number(text))
  const parts = /^(?=\d)(?:(\d{1,7})d)?(?:(\d{1,7})h)?(?:(\d{1,7})m)?(?:(\d{1,7})s)?$/.exec(text)
  if (parts === null) return Option.none()
  const [, d = 0, h = 0, m = 0, s = 0] = parts
  return Option.some(Number(d) * units.d + Number(h) * units.h + Number(m) * units.m + Number(s) * units.s)
}

const day = 86_400

const examples = "a time such as 90 (seconds), 5m or 1h30m"

const timeFlag = (name: string, description: string, longest: number, limit: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("time"),
    Flag.withDescription(description),
    Flag.filterMap(
      (text) => Option.filter(secondsOf(text), (seconds) => seconds >= 1 && seconds <= longest),
      () => `${examples}${limit}`
    ),
    Flag.optional,
    Flag.map(Option.getOrUndefined)
  )

/** An optional flag with a time of at most a day, as a number of seconds. */
export const seconds = (name: string, description: string): Flag.Flag<number | undefined> =>
  timeFlag(name, description, day, ", at most a day")

/** An optional flag with a time of any length, as a number of seconds. */
export const anySeconds = (name: string, description: string): Flag.Flag<number | undefined> =>
  timeFlag(name, description, Number.MAX_SAFE_INTEGER, "")

/** When `2026-01-31` begins, or the time that `7d` or `1h30m` before now was. */
export const sinceOf = (since: string, now: DateTime.Utc): Option.Option<DateTime.Utc> => {
  const [, date] = /^(\d{4}-\d\d-\d\d)$/.exec(since) ?? []
  if (date !== undefined) {
    return Option.filter(
      DateTime.make(`${date}T00:00:00Z`),
      // A day such as February 31 parses as a day in March.
      (at) => DateTime.formatIso(at).startsWith(date)
    )
  }
  // A bare number could be a year, a day or seconds.
  return /^\d*$/.test(since)
    ? Option.none()
    : Option.map(secondsOf(since), (ago) => DateTime.subtractDuration(now, Duration.seconds(ago)))
}

/** The time that `--since` names. Fails with `Usage` for a text that is not a time. */
export const since = Effect.fnUntraced(function* (
  text: string | undefined
): Effect.fn.Return<DateTime.Utc | undefined, Usage> {
  if (text === undefined) return undefined
  const found = sinceOf(text, yield* DateTime.now)
  if (Option.isSome(found)) return found.value
  return yield* new Usage({
    message: `${text} is not a time. Write a day such as 2026-01-31, or an age such as 7d or 1h30m.`
  })
})
