import { Schema } from "effect"

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 }))

/**
 * A limit on all queries behind one key, in all processes of a state together. An absent field is no limit.
 *
 * @category models
 * @since 0.2.0
 */
export class Limit extends Schema.Class<Limit>("@remote-agent/domain/SharedLimit")({
  /** Queries at the same time. */
  concurrent: Schema.optionalKey(Count),
  /** Queries that are started within a minute. */
  requests: Schema.optionalKey(Count),
  /** Tokens of the queries that ended within the last minute. */
  tokens: Schema.optionalKey(Count)
}) {}

/**
 * Limits by the name of the setting that holds the key, such as `OPENAI_API_KEY`.
 *
 * @category models
 * @since 0.2.0
 */
export const Limits = Schema.Record(Schema.String, Limit)
export type Limits = typeof Limits.Type

/**
 * A query that counts towards a limit. Times are in milliseconds since 1970.
 *
 * @category models
 * @since 0.2.0
 */
export interface Use {
  readonly startedAt: number
  /** When it counts as ended in any case, because its process may have died. */
  readonly until: number
  readonly endedAt: number | undefined
  readonly tokens: number
}

/**
 * The time over which requests and tokens are counted, in milliseconds.
 *
 * @category constants
 * @since 0.2.0
 */
export const window = 60_000

/**
 * Decides when another query may start: 0 for now, else the time to look again, in milliseconds since 1970.
 *
 * @category decisions
 * @since 0.2.0
 */
export const startsAt = (
  { concurrent, requests, tokens }: Limit,
  uses: ReadonlyArray<Use>,
  blockedUntil: number,
  now: number
): number => {
  if (blockedUntil > now) return blockedUntil
  const running = uses.filter(({ endedAt, until }) => endedAt === undefined && until > now)
  if (concurrent !== undefined && running.length >= concurrent) {
    // One of them may end at any time.
    return Math.min(now + 1000, ...running.map(({ until }) => until))
  }
  const started = uses.map(({ startedAt }) => startedAt).filter((at) => at > now - window)
  if (requests !== undefined && started.length >= requests) {
    return (started.toSorted((a, b) => b - a)[requests - 1] ?? now) + window
  }
  if (tokens !== undefined) {
    const ended = uses
      .flatMap(({ endedAt, tokens: used }) =>
        endedAt === undefined || endedAt <= now - window ? [] : [{ endedAt, used }]
      )
      .toSorted((a, b) => b.endedAt - a.endedAt)
    let sum = 0
    // The oldest query that has to leave the window before the sum is below the limit.
    for (const { endedAt, used } of ended) {
      sum += used
      if (sum >= tokens) return endedAt + window
    }
  }
  return 0
}
