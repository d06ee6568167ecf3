/**
 * GitHub's clock, from the `Date` headers of its replies. Rate limits end and app tokens are valid by that clock; the
 * one of this machine may be off by minutes.
 */
import { Clock, Effect, Ref } from "effect"

// The header has a resolution of one second, and the reply takes a moment to arrive.
const resolution = 2000

/** How far GitHub's clock is ahead of ours in milliseconds; 0 when they agree, none when the header is not usable. */
const offsetOf = (headers: Readonly<Record<string, unknown>>, now: number): number | undefined => {
  const { age, date } = headers
  // A proxy that answers from its cache repeats an old date.
  if (typeof date !== "string" || (age !== undefined && age !== "0")) return undefined
  const difference = Date.parse(date) - now
  if (Number.isNaN(difference)) return undefined
  return Math.abs(difference) < resolution ? 0 : difference
}

export const make = Effect.map(Ref.make(0), (offset) => ({
  /** The time in milliseconds since 1970. That of this machine until GitHub has replied. */
  now: Effect.gen(function* () {
    return (yield* Clock.currentTimeMillis) + (yield* Ref.get(offset))
  }),
  /** How far GitHub's clock is ahead of ours, in milliseconds. */
  offset: Ref.get(offset),
  /** Reads the clock from a reply. */
  observe: Effect.fnUntraced(function* (headers: Readonly<Record<string, unknown>>) {
    const observed = offsetOf(headers, yield* Clock.currentTimeMillis)
    if (observed !== undefined) yield* Ref.set(offset, observed)
  })
}))

/** A clock that follows GitHub's. */
export type ServerClock = Effect.Success<typeof make>
