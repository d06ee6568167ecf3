import { Schema } from "effect"

/**
 * Proof that no other process has taken over since a decision: the token of the lease under which it was made. A write
 * that shows an outdated fence is refused. A {@link Lease} is a fence.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fence {
  readonly resource: string
  readonly token: number
}

/**
 * The exclusive right to work on a resource, until a time.
 *
 * @category models
 * @since 0.1.0
 */
export class Lease extends Schema.Class<Lease>("@remote-agent/domain/Lease")({
  resource: Schema.String,
  /** The process that holds it. */
  holder: Schema.String,
  /** Greater than the token of every earlier lease of the same resource. */
  token: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  /** When another process may acquire it, by the clock of the store. */
  until: Schema.DateTimeUtcFromString
}) {}
