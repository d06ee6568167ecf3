/** A conversation as one long list, of which only what is in view is in the document. */
import type { Query } from "@remote-agent/domain"
import type { Block } from "./EventLog.ts"
import type { OpenLog } from "./useLogs.ts"

/** One entry of the list. */
export type Item =
  | { readonly kind: "ask"; readonly key: string; readonly query: Query.Query; readonly open: boolean }
  | { readonly kind: "block"; readonly key: string; readonly query: Query.Query; readonly block: Block }
  /** The answer of a query whose log is closed. */
  | { readonly kind: "answer"; readonly key: string; readonly query: Query.Query }
  /** A query that waits or runs, with the state of its log. */
  | {
      readonly kind: "pending"
      readonly key: string
      readonly query: Query.Query
      readonly log?: OpenLog | undefined
    }

/** The entries of one query: what was asked, what came of it, and how it stands. */
interface Segment {
  readonly query: Query.Query
  readonly open?: OpenLog | undefined
  /** The index of its first entry. */
  readonly start: number
  readonly length: number
}

export type Segments = ReadonlyArray<Segment>

const tailOf = (query: Query.Query, open: OpenLog | undefined): number =>
  (query.status !== "ended" && open?.log.result === undefined) || open === undefined ? 1 : 0

/** Lays the queries out, oldest first. The logs that are open are laid out event by event. */
export const segmentsOf = (
  queries: ReadonlyArray<Query.Query>,
  logs: ReadonlyMap<string, OpenLog>,
  open: ReadonlySet<string>
): Segments => {
  let start = 0
  return queries.map((query) => {
    const log = open.has(query.id) ? logs.get(query.id) : undefined
    const segment = {
      query,
      open: log,
      start,
      length: 1 + (log?.log.blocks.length ?? 0) + tailOf(query, log)
    }
    start += segment.length
    return segment
  })
}

export const lengthOf = (segments: Segments): number => {
  const last = segments.at(-1)
  return last === undefined ? 0 : last.start + last.length
}

const segmentAt = (segments: Segments, index: number): Segment | undefined => {
  let [low, high] = [0, segments.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((segments[middle]?.start ?? 0) <= index) low = middle
    else high = middle - 1
  }
  return segments[low]
}

/** The entry at an index. */
export const itemAt = (segments: Segments, index: number): Item | undefined => {
  const segment = segmentAt(segments, index)
  if (segment === undefined || index >= segment.start + segment.length) return undefined
  const { open, query, start } = segment
  if (index === start) return { kind: "ask", key: query.id, query, open: open !== undefined }
  const block = open?.log.blocks[index - start - 1]
  if (block !== undefined) return { kind: "block", key: `${query.id}:${block.key}`, query, block }
  const key = `${query.id}:end`
  return query.status === "ended" && open === undefined
    ? { kind: "answer", key, query }
    : { kind: "pending", key, query, log: open }
}
