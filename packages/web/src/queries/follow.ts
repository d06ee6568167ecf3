/** Follows the log of a query over HTTP, for as long as it takes. */
import { AgentEvent, type Id } from "@remote-agent/domain"
import { Schema } from "effect"
import type { ApiSession } from "../session/ApiSession.ts"
import { failureOf } from "../session/Failure.ts"
import type { EventLog, Sent } from "./EventLog.ts"
import { SseReader } from "./SseReader.ts"

/** Whether a log is being read, waits to be read again, is complete, or cannot be read. */
export type FollowState = "reading" | "reconnecting" | "ended" | "refused"

/** The server sends something at least every 15 seconds. A connection that is silent for longer is dead. */
const silenceAllowed = 40_000
const encode = Schema.encodeSync(AgentEvent.EventRecord)
const firstPause = 300
const longestPause = 3000

const pause = (millis: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, millis)
    signal.addEventListener("abort", () => {
      clearTimeout(timer)
      resolve()
    })
  })

/** Adds what a connection sends to the log. Returns when the connection ends, or is silent for too long. */
const drain = async (
  session: ApiSession,
  queryId: string,
  log: EventLog,
  signal: AbortSignal
): Promise<void> => {
  const connection = new AbortController()
  const end = () => connection.abort()
  signal.addEventListener("abort", end)
  const resume: Readonly<Record<string, string>> = log.seq < 0 ? {} : { "last-event-id": String(log.seq) }
  let timer = setTimeout(end, silenceAllowed)
  try {
    const body = await session.open(`/v1/queries/${queryId}/events`, resume, connection.signal)
    const reader = body.getReader()
    const decoder = new TextDecoder()
    const events = new SseReader()
    clearTimeout(timer)
    timer = setTimeout(end, silenceAllowed)
    while (log.result === undefined) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(timer)
      timer = setTimeout(end, silenceAllowed)
      for (const { data } of events.push(decoder.decode(value, { stream: true }))) {
        log.add(JSON.parse(data) as Sent)
      }
    }
  } catch (error) {
    if (!connection.signal.aborted) throw error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener("abort", end)
    connection.abort()
  }
}

/** Follows a log to its end or until the signal. A connection that ends early is opened again behind the last event. */
export const follow = async (
  session: ApiSession,
  queryId: string,
  log: EventLog,
  signal: AbortSignal,
  onState: (state: FollowState) => void
): Promise<void> => {
  let wait = firstPause
  while (!signal.aborted && log.result === undefined) {
    const before = log.seq
    try {
      onState("reading")
      await drain(session, queryId, log, signal)
    } catch (error) {
      if (failureOf(error).kind === "refused") return onState("refused")
    }
    if (log.result !== undefined || signal.aborted) break
    onState("reconnecting")
    wait = log.seq > before ? firstPause : Math.min(longestPause, wait * 2)
    await pause(wait, signal)
  }
  if (log.result !== undefined) onState("ended")
}

/** The events of one request. */
const lookMost = 1000

/** Reads what a log has by now: a look at a running query that holds no connection open. */
export const look = async (
  session: ApiSession,
  queryId: Id.QueryId,
  log: EventLog,
  signal: AbortSignal
): Promise<void> => {
  for (let read = lookMost; read === lookMost && !signal.aborted;) {
    const records = await session.run(
      ({ queries }) =>
        queries.log({ params: { id: queryId }, query: { from: log.seq + 1, limit: lookMost } }),
      signal
    )
    for (const record of records) log.add(encode(record))
    read = records.length
  }
}
