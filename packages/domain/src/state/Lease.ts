import { Schema } from "effect"

/**
 * What a write shows to prove that nobody has taken over since: the number of the lease under which it was decided.
 * A {@link Lease} is one.
 */
export interface Fence {
  readonly resource: string
  readonly token: number
}

/** The right to work on something alone, until a time. */
export class Lease extends Schema.Class<Lease>("@remote-agent/domain/Lease")({
  /** What it is for. */
  resource: Schema.String,
  /** Who has it. */
  holder: Schema.String,
  /** Greater than that of every earlier lease of the same resource. */
  token: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  /** When others may take it, by the clock of the store. */
  until: Schema.DateTimeUtcFromString
}) {}
