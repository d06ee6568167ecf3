import { Effect, Schema } from "effect"
import { PoolName } from "../Id.ts"
import { Budget } from "../query/Budget.ts"
import { Labels, Repository } from "./Agent.ts"

/**
 * The behaviour of a pool when all its agents are busy and its queue is full.
 *
 * **Details**
 *
 * - `wait`: the query waits until there is room.
 * - `reject`: the query fails at once.
 * - `burst`: the pool launches another agent, up to `maxSize`; after that the query waits.
 *
 * @category models
 * @since 0.1.0
 */
export const WhenFull = Schema.Literals(["wait", "reject", "burst"])
export type WhenFull = typeof WhenFull.Type

/**
 * The status of a pool: it takes queries, it finishes the queries it has, or it has ended.
 *
 * @category models
 * @since 0.1.0
 */
export const PoolStatus = Schema.Literals(["open", "draining", "closed"])
export type PoolStatus = typeof PoolStatus.Type

const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))

/**
 * The record of a named pool: agents of one profile that share a queue of queries. Each of its agents carries its name.
 *
 * @category models
 * @since 0.1.0
 */
export class PoolRecord extends Schema.Class<PoolRecord>("@remote-agent/domain/PoolRecord")({
  name: PoolName,
  profile: Schema.String,
  status: PoolStatus,
  /** The number of agents. */
  size: Size,
  /** The number of agents up to which the pool may burst. */
  maxSize: Schema.optionalKey(Size),
  /** How many queries may wait; unlimited when absent. */
  queueLimit: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  whenFull: WhenFull.pipe(
    Schema.withConstructorDefault(Effect.succeed("wait" as const)),
    Schema.withDecodingDefaultKey(Effect.succeed("wait" as const))
  ),
  /** Whether its agents are paused, rather than terminated, when they are idle. */
  persistent: Schema.Boolean,
  labels: Labels,
  repository: Schema.optionalKey(Repository),
  /** The budget of all its agents together. */
  budget: Schema.optionalKey(Budget),
  /** The number of writes. A write based on an older revision is refused. */
  revision: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}
