import { Agent, AgentEvent, Profile, Query } from "@remote-agent/domain"
import type { AgentPool } from "@remote-agent/orchestrator"
import { Effect, Result, Schema } from "effect"
import { toJson } from "./failureText.ts"

const documents = <A, I>(schema: Schema.Codec<A, I>) => {
  const encode = Schema.encodeEffect(Schema.toCodecJson(schema))
  return (value: A): Effect.Effect<Schema.Json> => Effect.orDie(encode(value))
}

/** A document with its error as an object, as in every document of the command line. */
const withError = <A extends { readonly error?: string; readonly outcome?: AgentEvent.Outcome }>(
  encode: (value: A) => Effect.Effect<Schema.Json>
) => {
  const document = (value: A): Effect.Effect<Schema.Json> =>
    Effect.map(encode(value), (encoded) => {
      const { error: message, outcome = "error" } = value
      if (message === undefined || typeof encoded !== "object" || encoded === null) return encoded
      return { ...encoded, error: { reason: outcome, message, retryable: false } }
    })
  return document
}

/** The JSON of a query result. */
export const ofQuery = withError(documents(Query.QueryResult))

/** The JSON of a query. */
export const ofQueryRecord = withError(documents(Query.Query))

/** The JSON of an agent. */
export const ofAgent = documents(Agent.Agent)

/** The JSON of an event and its place in the log. */
export const ofEvent = documents(AgentEvent.EventRecord)

/** The JSON of a profile. */
export const ofProfile = documents(Profile.Profile)

/** The JSON of a pool result: a query result and its place among the questions. */
export const ofPool = ({ index, query, result }: AgentPool.PoolResult): Effect.Effect<object> => {
  const withIndex = (ended: Query.QueryResult) =>
    Effect.map(ofQuery(ended), (document) => Object.assign({ index }, document))
  if (Result.isSuccess(result)) return withIndex(result.success)
  const { reason } = result.failure
  return reason._tag === "QueryFailed"
    ? withIndex(reason.result)
    : Effect.succeed({ index, query, ...toJson(result.failure) })
}
