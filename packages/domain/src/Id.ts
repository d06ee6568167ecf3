import { Clock, Effect, Random, Schema } from "effect"

/**
 * The id of an agent. It stays the same for all sandboxes that the agent is bound to.
 *
 * @category models
 * @since 0.1.0
 */
export const AgentId = Schema.String.check(Schema.isPattern(/^agt_[0-9a-hjkmnp-tv-z]{26}$/)).pipe(
  Schema.brand("AgentId")
)
export type AgentId = typeof AgentId.Type

/**
 * The id of a query to one agent.
 *
 * @category models
 * @since 0.1.0
 */
export const QueryId = Schema.String.check(Schema.isPattern(/^qry_[0-9a-hjkmnp-tv-z]{26}$/)).pipe(
  Schema.brand("QueryId")
)
export type QueryId = typeof QueryId.Type

/**
 * The id of one attempt to create a sandbox. It is stored in the metadata of the sandbox, so a sandbox whose reply was
 * lost can be found.
 *
 * @category models
 * @since 0.1.0
 */
export const AttemptId = Schema.String.check(Schema.isPattern(/^att_[0-9a-hjkmnp-tv-z]{26}$/)).pipe(
  Schema.brand("AttemptId")
)
export type AttemptId = typeof AttemptId.Type

/**
 * The id that the provider gave a sandbox. Its form is the provider's.
 *
 * @category models
 * @since 0.1.0
 */
export const SandboxId = Schema.String.check(Schema.isPattern(/^[\w.-]{1,128}$/)).pipe(
  Schema.brand("SandboxId")
)
export type SandboxId = typeof SandboxId.Type

/**
 * The name of a pool: letters, digits, `.`, `_` and `-`, at most 64. It is unique in its state store.
 *
 * @category models
 * @since 0.1.0
 */
export const PoolName = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][\w.-]{0,63}$/)).pipe(
  Schema.brand("PoolName")
)
export type PoolName = typeof PoolName.Type

/**
 * The id of a run.
 *
 * @category models
 * @since 0.2.0
 */
export const RunId = Schema.String.check(Schema.isPattern(/^run_[0-9a-hjkmnp-tv-z]{26}$/)).pipe(
  Schema.brand("RunId")
)
export type RunId = typeof RunId.Type

/**
 * The id of a schedule.
 *
 * @category models
 * @since 0.2.0
 */
export const ScheduleId = Schema.String.check(Schema.isPattern(/^sch_[0-9a-hjkmnp-tv-z]{26}$/)).pipe(
  Schema.brand("ScheduleId")
)
export type ScheduleId = typeof ScheduleId.Type

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

/**
 * Encodes a ULID in lower case: 48 bits of milliseconds since 1970, then 80 random bits, in Crockford's base 32.
 *
 * **Details**
 *
 * Later ids sort after earlier ones, so they can be paged by time. `random` holds sixteen integers, whose lowest five
 * bits are used.
 *
 * @category encoding
 * @since 0.1.0
 */
export const ulid = (millis: number, random: ReadonlyArray<number>): string => {
  let time = ""
  for (let rest = millis, index = 0; index < 10; index++, rest = Math.floor(rest / 32)) {
    time = alphabet.charAt(rest % 32) + time
  }
  return time + Array.from({ length: 16 }, (_, index) => alphabet.charAt((random[index] ?? 0) & 31)).join("")
}

/**
 * The part of an id that people are shown: its prefix, its time, and two random characters. Commands accept it in place
 * of the id.
 *
 * @category formatting
 * @since 0.1.0
 */
export const short = (id: AgentId | QueryId): string => id.slice(0, 16)

const next = Effect.fnUntraced(function* (prefix: string) {
  const millis = yield* Clock.currentTimeMillis
  const random = yield* Effect.replicateEffect(Random.nextIntBetween(0, 32), 16)
  return `${prefix}_${ulid(millis, random)}`
})

/**
 * Generates an agent id, ordered by time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nextAgentId: Effect.Effect<AgentId> = Effect.map(next("agt"), (id) => AgentId.make(id))

/**
 * Generates a query id, ordered by time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nextQueryId: Effect.Effect<QueryId> = Effect.map(next("qry"), (id) => QueryId.make(id))

/**
 * Generates an attempt id, ordered by time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nextAttemptId: Effect.Effect<AttemptId> = Effect.map(next("att"), (id) => AttemptId.make(id))

/**
 * Generates the id of a run, ordered by time.
 *
 * @category constructors
 * @since 0.2.0
 */
export const nextRunId: Effect.Effect<RunId> = Effect.map(next("run"), (id) => RunId.make(id))

/**
 * Generates the id of a schedule, ordered by time.
 *
 * @category constructors
 * @since 0.2.0
 */
export const nextScheduleId: Effect.Effect<ScheduleId> = Effect.map(next("sch"), (id) => ScheduleId.make(id))

/**
 * Generates a unique token for file names and markers: a ULID without a prefix.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nextToken: Effect.Effect<string> = Effect.map(next(""), (id) => id.slice(1))
