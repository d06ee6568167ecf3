/** Numbers and times as people read them. */

const two = (value: number): string => String(value).padStart(2, "0")

/** A duration in at most two units: `0.4 s`, `12 s`, `3:04`, `2 h 05`, `3 d`. */
export const duration = (millis: number): string => {
  const seconds = Math.max(0, millis) / 1000
  if (seconds < 1) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.floor(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}:${two(Math.floor(seconds % 60))}`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${two(minutes % 60)}` : `${Math.floor(hours / 24)} d`
}

/** How long ago something was: `now`, `5 min ago`, `3 h ago`, `12 d ago`. */
export const ago = (millis: number): string => {
  const minutes = Math.floor(Math.max(0, millis) / 60_000)
  if (minutes < 1) return "now"
  if (minutes < 60) return `${minutes} min ago`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} d ago`
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 })
const whole = new Intl.NumberFormat("en")

/** A count: `950`, `12.3K`, `4M`. */
export const count = (value: number): string => (value < 1000 ? String(value) : compact.format(value))

/** A count with all its digits. */
export const exact = (value: number): string => whole.format(value)

/** Dollars: two digits, and more below a cent. A cost that nobody reported is a dash, which is not the same as nothing. */
export const dollars = (value: number | undefined): string => {
  if (value === undefined) return "–"
  if (value === 0) return "$0"
  if (value < 0.01) return `$${value.toPrecision(1)}`
  return value < 1000 ? `$${value.toFixed(2)}` : `$${whole.format(Math.round(value))}`
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" })
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" })

/** A time of today, or a day. */
export const time = (millis: number, now: number): string =>
  new Date(millis).toDateString() === new Date(now).toDateString()
    ? clock.format(millis)
    : `${day.format(millis)}, ${clock.format(millis)}`

/** The start of the day of a time, where the person is. */
export const midnight = (now: number): number => new Date(now).setHours(0, 0, 0, 0)
