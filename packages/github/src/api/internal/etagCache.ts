/**
 * Remembers replies by their address and ETag. GitHub answers a conditional request with 304, which does not count
 * against the rate limit.
 */
import { Cache, Effect, Option } from "effect"

interface Entry<Reply> {
  readonly etag: string
  readonly reply: Reply
}

/** The number of replies that are kept. The least recently used one is dropped first. */
const capacity = 100

export const make = <Reply>() =>
  Effect.map(
    // Entries are only set, never looked up by the cache itself.
    Cache.make<string, Entry<Reply>>({ capacity, lookup: () => Effect.die("entries are set by replies") }),
    (cache) => ({
      get: (url: string): Effect.Effect<Option.Option<Entry<Reply>>> => Cache.getSuccess(cache, url),
      /** A reply without an ETag is not kept. */
      set: (url: string, etag: unknown, reply: Reply): Effect.Effect<void> =>
        typeof etag === "string" ? Cache.set(cache, url, { etag, reply }) : Effect.void
    })
  )
