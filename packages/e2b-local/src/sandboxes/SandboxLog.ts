/**
 * What happened to a sandbox: its own states, and commands that began and ended. Neither arguments nor variables nor
 * output are in it, for those may be secret.
 *
 * @since 0.1.0
 */
import { Clock, DateTime, Effect } from "effect"

const levels = ["debug", "info", "warn", "error"] as const
/** How much an entry matters. */
type Level = (typeof levels)[number]

/** One thing that happened. */
export interface Entry {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly level: Level
  readonly message: string
  readonly fields: Readonly<Record<string, string>>
}

/** The log of one sandbox. */
export interface SandboxLog {
  readonly write: (
    message: string,
    fields?: Readonly<Record<string, string>>,
    level?: Level
  ) => Effect.Effect<void>
  /** Oldest first; the oldest of all are forgotten when there are too many. */
  readonly entries: () => ReadonlyArray<Entry>
}

const KEPT = 2000

/** An empty log. */
export const make = (): SandboxLog => {
  const entries: Array<Entry> = []
  return {
    write: (message, fields = {}, level = "info") =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        entries.push({ at, level, message, fields })
        if (entries.length > KEPT) entries.shift()
      }),
    entries: () => entries
  }
}

/** Which entries are wanted. */
export interface Wanted {
  /** Milliseconds since the epoch: from there on, or backwards. */
  readonly cursor?: number | undefined
  readonly direction?: "forward" | "backward" | undefined
  /** At least of that level. */
  readonly level?: Level | undefined
  /** Contained in the message, letter by letter. */
  readonly search?: string | undefined
  readonly limit: number
}

/** The entries in the order of the direction. */
export const select = (entries: ReadonlyArray<Entry>, wanted: Wanted): ReadonlyArray<Entry> => {
  const { cursor, direction = "forward", level = "debug", limit, search = "" } = wanted
  const matching = entries.filter(
    (entry) =>
      (cursor === undefined || (direction === "forward" ? entry.at >= cursor : entry.at <= cursor)) &&
      levels.indexOf(entry.level) >= levels.indexOf(level) &&
      entry.message.includes(search)
  )
  return (direction === "forward" ? matching : matching.toReversed()).slice(0, limit)
}

/** An entry as the API tells it. */
export const view = ({ at, fields, level, message }: Entry) => ({
  timestamp: DateTime.formatIso(DateTime.makeUnsafe(at)),
  level,
  message,
  fields
})
