/**
 * Named pools over HTTP.
 *
 * @since 0.2.0
 */
import { Agent, Id, OrchestratorError, PoolRecord, TokenUsage } from "@remote-agent/domain"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Environment, PoolRequest, PoolSize } from "../agents/AgentRequests.ts"
import * as ApiError from "../ApiError.ts"
import { Authorization, RequiredScope } from "../Authorization.ts"

const params = { name: Id.PoolName }
const error = ApiError.all

/**
 * The agents of a pool after it was opened or resized.
 *
 * @category schemas
 * @since 0.2.0
 */
export const PoolMembers = Schema.Struct({
  pool: PoolRecord.PoolRecord,
  agents: Schema.Array(Agent.Agent),
  /** Why launches failed. */
  failures: Schema.Array(OrchestratorError.OrchestratorError),
  /** Agents that are too many and stay until their query ends. */
  busy: Schema.Array(Id.AgentId)
})

/**
 * The usage of the agents of a pool, terminated ones included.
 *
 * @category schemas
 * @since 0.2.0
 */
export const PoolUsage = Schema.Struct({
  /** The usage of ended queries. */
  ended: TokenUsage.TokenUsage,
  /** The usage of each running query as far as its agent has reported it, oldest first. */
  running: Schema.Array(
    Schema.Struct({ id: Id.QueryId, startedAt: Schema.DateTimeUtcFromString, usage: TokenUsage.TokenUsage })
  )
})

/**
 * Opens, resizes and closes named pools.
 *
 * @category groups
 * @since 0.2.0
 */
export class PoolsApi extends HttpApiGroup.make("pools")
  .add(
    HttpApiEndpoint.get("list", "/", { success: Schema.Array(PoolRecord.PoolRecord), error }),
    HttpApiEndpoint.get("get", "/:name", { params, success: PoolRecord.PoolRecord, error }),
    HttpApiEndpoint.post("open", "/", {
      payload: PoolRequest,
      success: PoolMembers.pipe(HttpApiSchema.status(201)),
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.patch("resize", "/:name", {
      params,
      payload: Schema.Struct({ size: PoolSize, env: Schema.optionalKey(Environment) }),
      success: PoolMembers,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.get("usage", "/:name/usage", { params, success: PoolUsage, error }),
    HttpApiEndpoint.delete("close", "/:name", { params, success: HttpApiSchema.NoContent, error }).annotate(
      RequiredScope,
      "run"
    )
  )
  .middleware(Authorization)
  .prefix("/v1/pools")
  .annotateMerge(
    OpenApi.annotations({ title: "Pools", description: "Open, resize and close named pools." })
  ) {}
