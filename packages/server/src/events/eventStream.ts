import { AgentEvent } from "@remote-agent/domain"
import { Duration, Effect, Option, Schedule, Schema, Stream } from "effect"
import { Sse } from "effect/encoding"

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(AgentEvent.EventRecord)))

/** A comment, which clients skip. It keeps proxies from closing a connection on which nothing happens. */
const heartbeat = ": keep-alive\n\n"

/**
 * How often an idle stream sends a heartbeat.
 *
 * @category constants
 * @since 0.2.0
 */
export const heartbeatInterval: Duration.Duration = Duration.seconds(15)

const written = (record: AgentEvent.EventRecord): string =>
  Sse.encoder.write({
    _tag: "Event",
    id: String(record.seq),
    event: record.event.type,
    data: encode(record)
  })

/**
 * The `seq` from which a stream starts: behind `Last-Event-ID`, else behind `after`, else at the beginning. Nothing for
 * an id that is no `seq`.
 *
 * @category parsing
 * @since 0.2.0
 */
export const startOf = (
  lastEventId: string | undefined,
  after: number | undefined
): Option.Option<number> => {
  if (lastEventId === undefined || lastEventId === "") {
    return after === undefined
      ? Option.some(0)
      : Number.isSafeInteger(after) && after >= -1
        ? Option.some(after + 1)
        : Option.none()
  }
  return /^\d{1,15}$/.test(lastEventId) ? Option.some(Number(lastEventId) + 1) : Option.none()
}

/**
 * The bytes of a stream of Server-Sent Events.
 *
 * **Details**
 *
 * Events are pulled from the log only as fast as the client reads, so a slow client costs one page of the log. Every
 * event has its `seq` as `id`. A client that reconnects with `Last-Event-ID` gets the rest, without a gap and without a
 * repetition, from this server or another with the same state.
 *
 * @category streams
 * @since 0.2.0
 */
export const bytes = <E>(log: Stream.Stream<AgentEvent.EventRecord, E>): Stream.Stream<Uint8Array, E> =>
  // One event at a time: what is encoded and not yet read costs memory.
  Stream.map(Stream.rechunk(log, 1), written).pipe(
    Stream.merge(Stream.as(Stream.fromSchedule(Schedule.spaced(heartbeatInterval)), heartbeat), {
      haltStrategy: "left"
    }),
    Stream.encodeText
  )

/**
 * Waits for a result, but no longer than the client asked to wait, and never longer than a minute.
 *
 * @category combinators
 * @since 0.2.0
 */
export const within = <A, E, R>(
  wait: Duration.Duration | undefined,
  result: Effect.Effect<A, E, R>
): Effect.Effect<Option.Option<A>, E, R> =>
  wait === undefined || Duration.isZero(wait)
    ? Effect.succeedNone
    : Effect.timeoutOption(result, Duration.min(wait, Duration.minutes(1)))
