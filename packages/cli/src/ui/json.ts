import { Agent, AgentEvent, Profile, Query } from "@remote-agent/domain"
import type { AgentPool } from "@remote-agent/orchestrator"
import { Effect, Result, Schema } from "effect"
import { toJson } from "./Failure.ts"

const documents = <A, I>(schema: Schema.Codec<A, I>) => {
  const encode = Schema.encodeEffect(Schema.toCodecJson(schema))
  return (value: A): Effect.Effect<Schema.Json> => Effect.orDie(encode(value))
}

/** What came of a query, for programs. */
export const ofQuery = documents(Query.QueryResult)

/** A query as it stands. */
export const ofQueryRecord = documents(Query.Query)

/** An agent. */
export const ofAgent = documents(Agent.Agent)

/** An event with its place in the log. */
export const ofEvent = documents(AgentEvent.EventRecord)

/** A profile. */
export const ofProfile = documents(Profile.Profile)

/** What came of a query of a pool: the same, with its place among the questions. */
export const ofPool = ({ index, query, result }: AgentPool.PoolResult): Effect.Effect<object> => {
  const withIndex = (ended: Query.QueryResult) =>
    Effect.map(ofQuery(ended), (document) => Object.assign({ index }, document))
  if (Result.isSuccess(result)) return withIndex(result.success)
  const { reason } = result.failure
  return reason._tag === "QueryFailed"
    ? withIndex(reason.result)
    : Effect.succeed({ index, query, ...toJson(result.failure) })
}
