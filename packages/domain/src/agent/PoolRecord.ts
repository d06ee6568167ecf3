import { Effect, Schema } from "effect"
import { Labels, Repository } from "./Agent.ts"
import { Budget } from "../query/Budget.ts"
import { PoolName } from "../Id.ts"

/**
 * What happens to a query that comes when every agent of a pool has one and the queue is full.
 *
 * - `wait`: it waits until there is room.
 * - `reject`: it fails at once.
 * - `burst`: another agent is launched for it, up to `maxSize`; then it waits.
 */
export const WhenFull = Schema.Literals(["wait", "reject", "burst"])
export type WhenFull = typeof WhenFull.Type

/** Where a pool is in its life: it takes queries, it ends those it has, or it has ended. */
export const PoolStatus = Schema.Literals(["open", "draining", "closed"])
export type PoolStatus = typeof PoolStatus.Type

const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))

/** Agents of one profile that share a queue of queries, under a name. Its agents carry the name. */
export class PoolRecord extends Schema.Class<PoolRecord>("@remote-agent/domain/PoolRecord")({
  name: PoolName,
  profile: Schema.String,
  status: PoolStatus,
  /** How many agents it is to have. */
  size: Size,
  /** How many it may have while it bursts. */
  maxSize: Schema.optionalKey(Size),
  /** How many queries may wait; as many as come when absent. */
  queueLimit: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  whenFull: WhenFull.pipe(
    Schema.withConstructorDefault(Effect.succeed("wait" as const)),
    Schema.withDecodingDefaultKey(Effect.succeed("wait" as const))
  ),
  /** Whether its agents pause, and do not end, when nobody uses them. */
  persistent: Schema.Boolean,
  labels: Labels,
  repository: Schema.optionalKey(Repository),
  /** For all of its agents together. */
  budget: Schema.optionalKey(Budget),
  /** Counts the writes; a write that names an older one is refused. */
  revision: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}
