/**
 * Agents over HTTP.
 *
 * @since 0.2.0
 */
import { Agent, AgentLifecycle, Id, Query } from "@remote-agent/domain"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import * as ApiError from "../ApiError.ts"
import { Authorization, RequiredScope } from "../Authorization.ts"
import { IdempotencyKey, Limit, Page } from "../Page.ts"
import { ChangeRequest, Environment, ForkRequest, LaunchRequest, WhenRunning } from "./AgentRequests.ts"

/**
 * An agent with its sandbox and its queries.
 *
 * @category schemas
 * @since 0.2.0
 */
export const AgentInfo = Schema.Struct({
  agent: Agent.Agent,
  /** `unknown` when the provider does not answer, `none` when the agent has no sandbox. */
  sandbox: Schema.Literals(["running", "paused", "gone", "unknown", "none"]),
  /** When the ttl of the sandbox ends. */
  endsAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** The query that runs. */
  current: Schema.optionalKey(Query.Query),
  /** Queries that wait, oldest first. */
  queue: Schema.Array(Query.Query)
})

/**
 * The checks of an agent.
 *
 * @category schemas
 * @since 0.2.0
 */
export const AgentHealth = Schema.Struct({
  agentId: Id.AgentId,
  healthy: Schema.Boolean,
  checks: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      status: Schema.Literals(["ok", "failed", "skipped"]),
      detail: Schema.String
    })
  )
})

/**
 * The commit of an agent's program before and after an update.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Updated = Schema.Struct({
  from: Schema.optionalKey(Schema.String),
  to: Schema.optionalKey(Schema.String)
})

/**
 * An agent with its revision as the `ETag`.
 *
 * @category schemas
 * @since 0.2.0
 */
export const TaggedAgent = HttpApiSchema.WithHeaders(Agent.Agent, { etag: Schema.String })

const params = { id: Id.AgentId }
const error = ApiError.all

const list = HttpApiEndpoint.get("list", "/", {
  query: {
    /** Several times for any of several. */
    status: Schema.optionalKey(Schema.ArrayEnsure(AgentLifecycle.AgentStatus)),
    profile: Schema.optionalKey(Schema.String),
    pool: Schema.optionalKey(Schema.String),
    name: Schema.optionalKey(Schema.String),
    /** `key=value`. An agent must have every label. */
    label: Schema.optionalKey(Schema.ArrayEnsure(Schema.String)),
    after: Schema.optionalKey(Id.AgentId),
    limit: Schema.optionalKey(Limit)
  },
  success: Page(Agent.Agent),
  error
})

const launch = HttpApiEndpoint.post("launch", "/", {
  /** A repeated request with the same key returns the agent of the first. */
  headers: { "idempotency-key": Schema.optionalKey(IdempotencyKey) },
  payload: LaunchRequest,
  success: TaggedAgent.pipe(HttpApiSchema.status(201)),
  error
}).annotate(RequiredScope, "run")

const find = HttpApiEndpoint.get("find", "/find", {
  /** An id, the beginning of an id, or a name. */
  query: { text: Schema.String },
  success: Schema.Array(Agent.Agent),
  error
})

const observe = HttpApiEndpoint.get("observe", "/observed", {
  query: {
    status: Schema.optionalKey(Schema.ArrayEnsure(AgentLifecycle.AgentStatus)),
    profile: Schema.optionalKey(Schema.String),
    pool: Schema.optionalKey(Schema.String),
    label: Schema.optionalKey(Schema.ArrayEnsure(Schema.String))
  },
  success: Schema.Array(Agent.Agent),
  error
})

const get = HttpApiEndpoint.get("get", "/:id", { params, success: TaggedAgent, error })

const change = HttpApiEndpoint.patch("change", "/:id", {
  params,
  headers: { "if-match": Schema.optionalKey(Schema.String) },
  payload: ChangeRequest,
  success: TaggedAgent,
  error
}).annotate(RequiredScope, "run")

const act = <const Name extends string>(name: Name) =>
  HttpApiEndpoint.post(name, `/:id/${name}`, { params, payload: WhenRunning, success: Agent.Agent, error })

/**
 * Launches agents, changes them, and terminates them.
 *
 * @category groups
 * @since 0.2.0
 */
export class AgentsApi extends HttpApiGroup.make("agents")
  .add(
    list,
    find,
    observe,
    launch,
    get,
    change,
    HttpApiEndpoint.get("info", "/:id/info", { params, success: AgentInfo, error }),
    HttpApiEndpoint.get("health", "/:id/health", { params, success: AgentHealth, error }),
    act("pause").annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("resume", "/:id/resume", { params, success: Agent.Agent, error }).annotate(
      RequiredScope,
      "run"
    ),
    HttpApiEndpoint.post("update", "/:id/update", {
      params,
      payload: WhenRunning,
      success: Updated,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("replace", "/:id/replace", {
      params,
      payload: Schema.Struct({
        env: Schema.optionalKey(Environment),
        keepFailed: Schema.optionalKey(Schema.Boolean)
      }),
      success: Agent.Agent,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("fork", "/:id/fork", {
      params,
      payload: ForkRequest,
      success: TaggedAgent.pipe(HttpApiSchema.status(201)),
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.delete("terminate", "/:id", { params, success: Agent.Agent, error }).annotate(
      RequiredScope,
      "run"
    )
  )
  .middleware(Authorization)
  .prefix("/v1/agents")
  .annotateMerge(
    OpenApi.annotations({ title: "Agents", description: "Launch, change and terminate agents." })
  ) {}
