import { type Clock, Duration, Effect } from "effect"

/** A clock that goes as fast as any other and leaps forward when it is told. */
export interface WarpClock extends Clock.Clock {
  /** Time goes by at once: whoever sleeps until a moment in it wakes, the earliest first. */
  readonly leap: (duration: Duration.Duration) => void
  /** Whoever sleeps from now on, or sleeps already, never wakes. */
  readonly stop: () => void
}

interface Sleeper {
  readonly at: number
  readonly wake: () => void
  timer: NodeJS.Timeout | undefined
}

/** A clock that says the time of the machine until its first leap. */
export const make = (): WarpClock => {
  const sleepers = new Set<Sleeper>()
  let ahead = 0
  let stopped = false
  const now = () => Date.now() + ahead
  const nanos = () => BigInt(now()) * 1_000_000n
  const monotonic = () => process.hrtime.bigint() + BigInt(Math.round(ahead)) * 1_000_000n

  const arm = (sleeper: Sleeper) => {
    clearTimeout(sleeper.timer)
    if (stopped) return
    const left = Math.min(Math.max(0, sleeper.at - now()), 2 ** 31 - 1)
    sleeper.timer = setTimeout(() => {
      sleepers.delete(sleeper)
      sleeper.wake()
    }, left)
  }

  return {
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: monotonic,
    monotonicTimeNanos: Effect.sync(monotonic),
    sleep: (duration) =>
      Effect.callback<void>((resume) => {
        const at = now() + Math.min(Duration.toMillis(duration), 1e13)
        const sleeper: Sleeper = { at, timer: undefined, wake: () => resume(Effect.void) }
        sleepers.add(sleeper)
        arm(sleeper)
        return Effect.sync(() => {
          sleepers.delete(sleeper)
          clearTimeout(sleeper.timer)
        })
      }),
    leap: (duration) => {
      ahead += Duration.toMillis(duration)
      for (const sleeper of [...sleepers].toSorted((a, b) => a.at - b.at)) {
        if (sleeper.at > now()) arm(sleeper)
        else if (sleepers.delete(sleeper)) {
          clearTimeout(sleeper.timer)
          sleeper.wake()
        }
      }
    },
    stop: () => {
      stopped = true
      for (const sleeper of sleepers) clearTimeout(sleeper.timer)
      sleepers.clear()
    }
  }
}
