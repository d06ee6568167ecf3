import { Clock, Context, Duration, Effect, Layer, Option } from "effect"

/**
 * How many requests a caller may make.
 *
 * @category models
 * @since 0.2.0
 */
export interface Limit {
  /** The number of requests per second in the long run. */
  readonly perSecond: number
  /** The number of requests at once. */
  readonly burst: number
}

/**
 * The limits of a server.
 *
 * @category models
 * @since 0.2.0
 */
export interface Limits {
  /** Requests with one token. */
  readonly token: Limit
  /** Requests without a valid token from one address. */
  readonly refused: Limit
}

/**
 * The default limits.
 *
 * @category constants
 * @since 0.2.0
 */
export const defaults: Limits = {
  token: { perSecond: 200, burst: 1000 },
  refused: { perSecond: 2, burst: 50 }
}

/** The tokens that a bucket holds at a time. */
export interface Bucket {
  readonly tokens: number
  readonly at: number
}

/** Takes one token from a bucket, or tells how many milliseconds to wait for one. */
export const take = (
  { burst, perSecond }: Limit,
  bucket: Bucket | undefined,
  now: number
): { readonly bucket: Bucket; readonly wait: number } => {
  const { at, tokens } = bucket ?? { tokens: burst, at: now }
  const filled = Math.min(burst, tokens + (Math.max(0, now - at) / 1000) * perSecond)
  return filled >= 1
    ? { bucket: { tokens: filled - 1, at: now }, wait: 0 }
    : { bucket: { tokens: filled, at: now }, wait: Math.ceil(((1 - filled) / perSecond) * 1000) }
}

/** How many callers are remembered. A caller that is forgotten starts with a full bucket. */
const remembered = 10_000

/**
 * Limits how many requests each caller makes.
 *
 * @category services
 * @since 0.2.0
 */
export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    /** Counts a request of a caller. Returns how long to wait when it is one too many. */
    readonly count: (kind: keyof Limits, caller: string) => Effect.Effect<Option.Option<Duration.Duration>>
  }
>()("@remote-agent/server/RateLimiter") {}

/**
 * A limiter with limits. It counts the requests of this process.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (limits: Limits = defaults): Layer.Layer<RateLimiter> =>
  Layer.sync(RateLimiter, () => {
    const buckets = new Map<string, Bucket>()
    return RateLimiter.of({
      count: (kind, caller) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const key = `${kind} ${caller}`
          const { bucket, wait } = take(limits[kind], buckets.get(key), now)
          // Moved to the end, so that the first is the one that was idle for longest.
          buckets.delete(key)
          buckets.set(key, bucket)
          const [oldest] = buckets.keys()
          if (buckets.size > remembered && oldest !== undefined) buckets.delete(oldest)
          return wait === 0 ? Option.none() : Option.some(Duration.millis(wait))
        })
    })
  })
