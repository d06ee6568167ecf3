import { Query } from "@remote-agent/domain"
import type { AgentPool } from "@remote-agent/orchestrator"
import { Effect, Result, Schema } from "effect"
import { toJson } from "./Failure.ts"

const encode = Schema.encodeEffect(Schema.toCodecJson(Query.QueryResult))

/** What came of a query, for programs. */
export const ofQuery = (result: Query.QueryResult): Effect.Effect<Schema.Json> => Effect.orDie(encode(result))

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
