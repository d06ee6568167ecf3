/**
 * Usage over HTTP.
 *
 * @since 0.2.0
 */
import { Agent, Id, TokenUsage } from "@remote-agent/domain"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import * as ApiError from "../ApiError.ts"
import { Authorization } from "../Authorization.ts"

const filter = {
  agentId: Schema.optionalKey(Id.AgentId),
  pool: Schema.optionalKey(Schema.String),
  since: Schema.optionalKey(Schema.DateTimeUtcFromString)
}

/**
 * The usage of ended queries.
 *
 * @category schemas
 * @since 0.2.0
 */
export const UsageSummary = Schema.Struct({
  usage: TokenUsage.TokenUsage,
  queries: Schema.Int,
  /** The number of queries per outcome. */
  outcomes: Schema.Record(Schema.String, Schema.Int)
})

/**
 * The usage of one agent, one profile, one day, or the agents with one value of a label.
 *
 * @category schemas
 * @since 0.2.0
 */
export const UsageGroup = Schema.Struct({
  key: Schema.optionalKey(Schema.String),
  name: Schema.optionalKey(Schema.String),
  queries: Schema.Int,
  usage: TokenUsage.TokenUsage
})

/**
 * Sums up tokens, money and time.
 *
 * @category groups
 * @since 0.2.0
 */
export class UsageApi extends HttpApiGroup.make("usage")
  .add(
    HttpApiEndpoint.get("summary", "/", { query: filter, success: UsageSummary, error: ApiError.all }),
    HttpApiEndpoint.get("byLabel", "/label/:key", {
      /** The key of a label. Agents without it are summed up in a group without a key. */
      params: { key: Agent.LabelKey },
      query: filter,
      success: Schema.Array(UsageGroup),
      error: ApiError.all
    }),
    HttpApiEndpoint.get("by", "/:grouping", {
      params: { grouping: Schema.Literals(["agent", "profile", "day"]) },
      query: filter,
      success: Schema.Array(UsageGroup),
      error: ApiError.all
    })
  )
  .middleware(Authorization)
  .prefix("/v1/usage")
  .annotateMerge(OpenApi.annotations({ title: "Usage", description: "Sum up tokens, money and time." })) {}
