/**
 * The bodies of requests about agents.
 *
 * @since 0.2.0
 */
import { Agent, Budget, Id, PoolRecord } from "@remote-agent/domain"
import { Schema } from "effect"
import { DurationText } from "../DurationText.ts"

/**
 * Variables of a sandbox. Values are secrets: no answer contains them.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Environment = Schema.Record(
  Schema.String.check(Schema.isPattern(/^[A-Za-z_][A-Za-z0-9_]*$/)),
  Schema.String
)

/**
 * The repository that an agent works on.
 *
 * @category schemas
 * @since 0.2.0
 */
export const RepositorySource = Schema.Struct({
  /** `owner/name`, or an address without credentials. */
  url: Schema.String,
  /** A branch, tag or commit; the default branch when absent. */
  ref: Schema.optionalKey(Schema.String)
})

/** What a launch and everything like it takes. */
const common = {
  /** The ttl of its sandbox. */
  ttl: Schema.optionalKey(DurationText),
  env: Schema.optionalKey(Environment),
  allowInternetAccess: Schema.optionalKey(Schema.Boolean),
  /** Whether its sandbox is paused, rather than terminated, when its ttl ends. */
  persistent: Schema.optionalKey(Schema.Boolean),
  labels: Schema.optionalKey(Agent.Labels),
  repository: Schema.optionalKey(RepositorySource),
  /** A limit on all its queries together. */
  budget: Schema.optionalKey(Budget.Budget)
}

/**
 * How an agent is launched. Everything has a default.
 *
 * @category schemas
 * @since 0.2.0
 */
export const LaunchRequest = Schema.Struct({
  ...common,
  name: Schema.optionalKey(Agent.AgentName),
  profile: Schema.optionalKey(Schema.String),
  /** The named pool that the agent belongs to. */
  pool: Schema.optionalKey(Id.PoolName),
  /** Whether the sandbox of a launch that fails is kept, so that it can be looked at. */
  keepFailed: Schema.optionalKey(Schema.Boolean)
})
/** @since 0.2.0 */
export type LaunchRequest = typeof LaunchRequest.Type

/**
 * How an agent is forked. Its profile is that of the first.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ForkRequest = Schema.Struct({ ...common, name: Schema.optionalKey(Agent.AgentName) })

/**
 * How many agents a pool has.
 *
 * @category schemas
 * @since 0.2.0
 */
export const PoolSize = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))

/**
 * How a named pool is opened.
 *
 * @category schemas
 * @since 0.2.0
 */
export const PoolRequest = Schema.Struct({
  ...common,
  name: Id.PoolName,
  profile: Schema.optionalKey(Schema.String),
  size: PoolSize,
  /** The most agents while the pool bursts. */
  maxSize: Schema.optionalKey(PoolSize),
  whenFull: Schema.optionalKey(PoolRecord.WhenFull),
  queueLimit: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  /** A limit on all its agents together. */
  poolBudget: Schema.optionalKey(Budget.Budget)
})

/**
 * Changes to a record. Labels that are `null` are removed; others that are absent stay.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ChangeRequest = Schema.Struct({
  name: Schema.optionalKey(Agent.AgentName),
  labels: Schema.optionalKey(Schema.Record(Schema.String, Schema.NullOr(Agent.LabelValue)))
})

/**
 * The handling of a running query: refuse, wait for it, or cancel it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const WhenRunning = Schema.Struct({
  whenRunning: Schema.optionalKey(Schema.Literals(["refuse", "wait", "cancel"]))
})
