import { DateTime, Duration, Option } from "effect"

const longest = Duration.days(7)

/** How long an agent waits when the message gives no time. */
const usual = Duration.minutes(1)

const limits: ReadonlyArray<RegExp> = [
  /\b(?:status|code|error|http)\W{0,12}429\b/i,
  /\b429\b\W{0,8}(?:too many|rate|request|client|\{)/i,
  /too many requests/i,
  /rate[ _-]?limit(?:ed|s)?(?: was| is| has been)?[ _-]*(?:error|exceeded|reached|hit|:)/i,
  /\b(?:usage|session|hourly|daily|weekly|request|token|quota)s? limit(?: was| is| has been)? (?:reached|exceeded|hit)/i,
  /\blimit reached\b/i,
  /you(?:'|’)?ve (?:hit|reached) your (?:\w+ )?(?:usage )?limit/i,
  /\bquota (?:was |is |has been )?exceeded\b/i,
  /\bresource[_ ]exhausted\b/i
]

/** Limits that no waiting ends. */
const permanent = /insufficient[_ ]quota|billing|credit balance|payment required/i

const units: Readonly<Record<string, number>> = {
  ms: 1,
  millisecond: 1,
  s: 1000,
  sec: 1000,
  second: 1000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000
}

const unit = String.raw`(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)`
const amount = String.raw`\d{1,9}(?:\.\d{1,9})?\s*${unit}\b`
const span = String.raw`${amount}(?:\s*(?:,|and)?\s*${amount}){0,3}`
// Without a blank between the parts, as in 6m0s, the unit of one part is followed by the digits of the next.
const compact = String.raw`(?:\d{1,9}(?:\.\d{1,9})?(?:ms|h|m|s|d)){1,4}`

const relative = new RegExp(
  String.raw`(?:try again|retry|retry again|resets?|wait|available)(?:\s+again)?(?:\s+(?:in|after|for|about|approximately)){0,2}\s+(${compact}\b|${span})`,
  "i"
)
const header = /retry[-_ ]after(?:["']?\s*[:=]?\s*["']?)(\d{1,9}(?:\.\d{1,9})?)(?![\d.]|\s*(?:ms|m|h|d)\b)/i
const iso = /(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2}))/
const epoch = /(?:\||resets?(?:_at)?["']?\s*[:=]\s*)(\d{10})(?:\d{3})?\b/i
const clock =
  /(?:resets?|try again|available)(?:\s+(?:at|again at|again))?\s+(?:at\s+)?(\d{1,2})(?::(\d{2}))?\s*([ap])\.?m\b\.?(?:\s*\(([\w/+-]{1,64})\))?/i

const millisOf = (text: string): number => {
  let total = 0
  for (const [, count = "0", name = ""] of text.matchAll(
    /(\d{1,9}(?:\.\d{1,9})?)\s*(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])/gi
  )) {
    const word = name.toLowerCase()
    total += Number(count) * (units[word] ?? units[word.replace(/s$/, "")] ?? 0)
  }
  return total
}

/** The next moment after `now` at which clocks in a zone show a time of the day. */
const nextClock = (
  now: DateTime.Utc,
  hours: number,
  minutes: number,
  zone: string | undefined
): DateTime.Utc => {
  const named = zone === undefined ? Option.none() : DateTime.zoneMakeNamed(zone)
  const local = Option.match(named, {
    onNone: (): DateTime.DateTime => now,
    onSome: (tz) => DateTime.setZone(now, tz)
  })
  const today = DateTime.setParts(local, { hour: hours, minute: minutes, second: 0, millisecond: 0 })
  const next = DateTime.isGreaterThan(today, now) ? today : DateTime.add(today, { days: 1 })
  return DateTime.toUtc(next)
}

const resetIn = (text: string, now: DateTime.Utc): DateTime.Utc => {
  const after = (millis: number) => DateTime.addDuration(now, Duration.millis(millis))
  const [, stamp] = epoch.exec(text) ?? []
  if (stamp !== undefined) return DateTime.makeUnsafe(Number(stamp) * 1000)
  const [, moment] = iso.exec(text) ?? []
  const parsed = moment === undefined ? Option.none() : DateTime.make(moment.replace(" ", "T"))
  if (Option.isSome(parsed)) return DateTime.toUtc(parsed.value)
  const [, inTime] = relative.exec(text) ?? []
  if (inTime !== undefined) return after(millisOf(inTime))
  const [, seconds] = header.exec(text) ?? []
  if (seconds !== undefined) return after(Number(seconds) * 1000)
  const [, hour, minute = "0", half = "a", zone] = clock.exec(text) ?? []
  if (hour !== undefined && Number(hour) >= 1 && Number(hour) <= 12 && Number(minute) < 60) {
    const hours = (Number(hour) % 12) + (half.toLowerCase() === "p" ? 12 : 0)
    return nextClock(now, hours, Number(minute), zone)
  }
  return DateTime.addDuration(now, usual)
}

/**
 * Reads from the error message of an agent when the usage limit that it met ends. Returns none for another message.
 *
 * **Details**
 *
 * Understands times from now (`try again in 6m0s`, `retry-after: 30`), moments (`2026-03-01T10:00:00Z`, seconds since
 * 1970) and times of the day with or without a zone (`resets 3pm (America/New_York)`; UTC without). The result is
 * between now and seven days from now; it is a minute from now when the message names no time. A quota that only a
 * payment ends is no such limit.
 *
 * @category parsing
 * @since 0.2.0
 */
export const resetOf = (message: string, now: DateTime.Utc): Option.Option<DateTime.Utc> => {
  const text = message.slice(0, 10_000)
  if (permanent.test(text) || !limits.some((limit) => limit.test(text))) return Option.none()
  const reset = resetIn(text, now)
  const last = DateTime.addDuration(now, longest)
  return Option.some(DateTime.clamp(reset, { minimum: now, maximum: last }))
}
