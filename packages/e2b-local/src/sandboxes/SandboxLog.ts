/**
 * The log of one sandbox: its states, and the start and end of its commands.
 *
 * It contains no arguments, variables or output, because those may be secret.
 *
 * @since 0.1.0
 */
import { Clock, DateTime, Effect } from "effect"

const levels = ["debug", "info", "warn", "error"] as const
/** Severity of an entry. */
type Level = (typeof levels)[number]

/** One entry of the log. */
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
  /** Oldest first. The oldest entries are dropped when there are too many. */
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

/** Which entries to select. */
export interface Selection {
  /** Milliseconds since the epoch, from which the direction goes. */
  readonly cursor?: number | undefined
  readonly direction?: "forward" | "backward" | undefined
  /** The lowest severity. */
  readonly level?: Level | undefined
  /** A part of the message, case-sensitive. */
  readonly search?: string | undefined
  readonly limit: number
}

/** The selected entries in the order of the direction. */
export const select = (entries: ReadonlyArray<Entry>, selection: Selection): ReadonlyArray<Entry> => {
  const { cursor, direction = "forward", level = "debug", limit, search = "" } = selection
  const matching = entries.filter(
    (entry) =>
      (cursor === undefined || (direction === "forward" ? entry.at >= cursor : entry.at <= cursor)) &&
      levels.indexOf(entry.level) >= levels.indexOf(level) &&
      entry.message.includes(search)
  )
  return (direction === "forward" ? matching : matching.toReversed()).slice(0, limit)
}

/** An entry in the form of the API. */
export const view = ({ at, fields, level, message }: Entry) => ({
  timestamp: DateTime.formatIso(DateTime.makeUnsafe(at)),
  level,
  message,
  fields
})

/** An entry as the one-line JSON object that the first version of the API calls `line`, and the E2B CLI parses. */
export const line = (entry: Entry, sandboxId: string): string => {
  const { fields, level, message, timestamp } = view(entry)
  return JSON.stringify({ ...fields, timestamp, level, message, logger: "e2b-local", instanceID: sandboxId })
}
