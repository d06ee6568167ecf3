import { Clock, Effect, Random, Schema } from "effect"

/** The id of an agent: ours, stable for its whole life, whatever sandbox it is bound to. */
export const AgentId = Schema.String.check(Schema.isPattern(/^agt_[0-9a-hjkmnp-tv-z]{26}$/)).pipe(
  Schema.brand("AgentId")
)
export type AgentId = typeof AgentId.Type

/** The id of one question put to one agent. */
export const QueryId = Schema.String.check(Schema.isPattern(/^qry_[0-9a-hjkmnp-tv-z]{26}$/)).pipe(
  Schema.brand("QueryId")
)
export type QueryId = typeof QueryId.Type

/** The id of one attempt to create a sandbox; it travels in the sandbox's metadata, so an attempt whose reply was lost can be found. */
export const AttemptId = Schema.String.check(Schema.isPattern(/^att_[0-9a-hjkmnp-tv-z]{26}$/)).pipe(
  Schema.brand("AttemptId")
)
export type AttemptId = typeof AttemptId.Type

/** The id that the provider gave a sandbox. Opaque to us. */
export const SandboxId = Schema.String.check(Schema.isPattern(/^[\w.-]{1,128}$/)).pipe(
  Schema.brand("SandboxId")
)
export type SandboxId = typeof SandboxId.Type

/** What a pool is called: letters, digits, `.`, `_` and `-`, at most 64. Unique in its store. */
export const PoolName = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][\w.-]{0,63}$/)).pipe(
  Schema.brand("PoolName")
)
export type PoolName = typeof PoolName.Type

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

/**
 * Writes a ULID in lower case: 48 bits of milliseconds since 1970, then 80 random bits, in Crockford's base 32.
 * Ids made later sort later, so they can be paged by time.
 *
 * `random` holds sixteen integers; their lowest five bits are used.
 */
export const ulid = (millis: number, random: ReadonlyArray<number>): string => {
  let time = ""
  for (let rest = millis, index = 0; index < 10; index++, rest = Math.floor(rest / 32)) {
    time = alphabet.charAt(rest % 32) + time
  }
  return time + Array.from({ length: 16 }, (_, index) => alphabet.charAt((random[index] ?? 0) & 31)).join("")
}

const next = Effect.fnUntraced(function* (prefix: string) {
  const millis = yield* Clock.currentTimeMillis
  const random = yield* Effect.replicateEffect(Random.nextIntBetween(0, 32), 16)
  return `${prefix}_${ulid(millis, random)}`
})

/** A new agent id, time-ordered. */
export const nextAgentId: Effect.Effect<AgentId> = Effect.map(next("agt"), (id) => AgentId.make(id))

/** A new query id, time-ordered. */
export const nextQueryId: Effect.Effect<QueryId> = Effect.map(next("qry"), (id) => QueryId.make(id))

/** A new attempt id, time-ordered. */
export const nextAttemptId: Effect.Effect<AttemptId> = Effect.map(next("att"), (id) => AttemptId.make(id))

/** A new name that nobody else has, for files and marks: a bare ULID. */
export const nextToken: Effect.Effect<string> = Effect.map(next(""), (id) => id.slice(1))
