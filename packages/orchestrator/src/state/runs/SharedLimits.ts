import { SharedLimit, type StateStoreError } from "@remote-agent/domain"
import { Clock, Context, Effect } from "effect"

/**
 * A limit that a query asks to pass.
 *
 * @category models
 * @since 0.2.0
 */
export interface Ask {
  /** The name of the setting with the key. */
  readonly key: string
  readonly limit: SharedLimit.Limit
}

/**
 * The query that asks. `until` is when it counts as ended in any case, in milliseconds since 1970.
 *
 * @category models
 * @since 0.2.0
 */
export interface Asker {
  readonly id: string
  readonly until: number
}

type Result<A> = Effect.Effect<A, StateStoreError.StateStoreError>

/**
 * Counts the queries behind keys, for all processes of a state.
 *
 * @category services
 * @since 0.2.0
 */
export class SharedLimits extends Context.Service<
  SharedLimits,
  {
    /**
     * Counts a query towards all its limits, or towards none. Returns 0, or the time to ask again in milliseconds since
     * 1970. A query that is counted already passes.
     */
    readonly acquire: (asks: ReadonlyArray<Ask>, asker: Asker) => Result<number>
    /** Records the end of a query and its tokens. Changes nothing when it was not counted. */
    readonly release: (id: string, tokens: number) => Result<void>
    /** Lets no query behind these keys start before a time. An earlier time than the known one changes nothing. */
    readonly block: (keys: ReadonlyArray<string>, until: number) => Result<void>
  }
>()("@remote-agent/orchestrator/SharedLimits") {}

interface Entry {
  blocked: number
  readonly uses: Map<string, SharedLimit.Use>
}

/**
 * Makes limits in memory, for a state in memory.
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeMemory: Effect.Effect<SharedLimits["Service"]> = Effect.sync(() => {
  const entries = new Map<string, Entry>()
  const entryOf = (key: string): Entry => {
    const known = entries.get(key) ?? { blocked: 0, uses: new Map() }
    entries.set(key, known)
    return known
  }
  return SharedLimits.of({
    acquire: (asks, { id, until }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const open = asks.filter(({ key }) => !entryOf(key).uses.has(id))
        for (const { key, limit } of open) {
          const { blocked, uses } = entryOf(key)
          const at = SharedLimit.startsAt(limit, [...uses.values()], blocked, now)
          if (at > 0) return at
        }
        for (const { key } of open) {
          const { uses } = entryOf(key)
          for (const [old, use] of uses) {
            if ((use.endedAt ?? use.until) < now - SharedLimit.window) uses.delete(old)
          }
          uses.set(id, { startedAt: now, until, endedAt: undefined, tokens: 0 })
        }
        return 0
      }),
    release: (id, tokens) =>
      Effect.map(Clock.currentTimeMillis, (endedAt) => {
        for (const { uses } of entries.values()) {
          const use = uses.get(id)
          if (use?.endedAt === undefined && use !== undefined) uses.set(id, { ...use, endedAt, tokens })
        }
      }),
    block: (keys, until) =>
      Effect.sync(() => {
        for (const key of keys) {
          const entry = entryOf(key)
          entry.blocked = Math.max(entry.blocked, until)
        }
      })
  })
})
