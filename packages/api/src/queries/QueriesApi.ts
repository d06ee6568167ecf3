/**
 * Queries and their events over HTTP.
 *
 * @since 0.2.0
 */
import { AgentEvent, Id, Query } from "@remote-agent/domain"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import * as ApiError from "../ApiError.ts"
import { Authorization, RequiredScope } from "../Authorization.ts"
import { LaunchRequest } from "../agents/AgentRequests.ts"
import { DurationText } from "../DurationText.ts"
import { IdempotencyKey, Limit, Page } from "../Page.ts"
import { QueryAnswer, QueryEvent, QueryRequest } from "./QueryRequests.ts"

const Seq = Schema.FiniteFromString.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(0))

const params = { id: Id.QueryId }
const error = ApiError.all

/** How long an answer waits for the end of the query; not at all when absent, and 60 seconds at most. */
const wait = { wait: Schema.optionalKey(DurationText) }

const start = HttpApiEndpoint.post("start", "/agents/:agentId/queries", {
  params: { agentId: Id.AgentId },
  query: wait,
  /** A repeated request with the same key returns the query of the first. */
  headers: { "idempotency-key": Schema.optionalKey(IdempotencyKey) },
  payload: QueryRequest,
  success: QueryAnswer.pipe(HttpApiSchema.status(202)),
  error
}).annotate(RequiredScope, "run")

const list = HttpApiEndpoint.get("list", "/queries", {
  query: {
    agentId: Schema.optionalKey(Id.AgentId),
    /** Several times for any of several. */
    status: Schema.optionalKey(Schema.ArrayEnsure(Query.QueryStatus)),
    outcome: Schema.optionalKey(Schema.ArrayEnsure(AgentEvent.Outcome)),
    /** Queries of the agents of this profile, or of this pool. */
    profile: Schema.optionalKey(Schema.String),
    pool: Schema.optionalKey(Schema.String),
    since: Schema.optionalKey(Schema.DateTimeUtcFromString),
    order: Schema.optionalKey(Schema.Literals(["oldestFirst", "newestFirst"])),
    after: Schema.optionalKey(Id.QueryId),
    limit: Schema.optionalKey(Limit)
  },
  success: Page(Query.Query),
  error
})

const find = HttpApiEndpoint.get("find", "/queries/find", {
  /** An id, or its beginning with at least four characters after `qry_`. */
  query: { text: Schema.String },
  success: Schema.Array(Query.Query),
  error
})

const events = HttpApiEndpoint.get("events", "/queries/:id/events", {
  params,
  /** The `seq` after which the stream starts. `Last-Event-ID` wins. */
  query: { after: Schema.optionalKey(Schema.FiniteFromString) },
  headers: { "last-event-id": Schema.optionalKey(Schema.String) },
  success: HttpApiSchema.StreamSse({ events: QueryEvent }),
  error
})

const log = HttpApiEndpoint.get("log", "/queries/:id/log", {
  params,
  /** The `seq` of the first event, and how many events at most. */
  query: { from: Schema.optionalKey(Seq), limit: Schema.optionalKey(Limit) },
  success: Schema.Array(AgentEvent.EventRecord),
  error
})

const ask = HttpApiEndpoint.post("ask", "/ask", {
  payload: Schema.Struct({ query: QueryRequest, agent: Schema.optionalKey(LaunchRequest) }),
  success: Query.QueryResult,
  error
}).annotate(RequiredScope, "run")

/**
 * Runs queries, streams their events, and cancels them.
 *
 * @category groups
 * @since 0.2.0
 */
export class QueriesApi extends HttpApiGroup.make("queries")
  .add(
    start,
    list,
    find,
    HttpApiEndpoint.get("get", "/queries/:id", { params, query: wait, success: QueryAnswer, error }),
    events,
    log,
    HttpApiEndpoint.post("cancel", "/queries/:id/cancel", {
      params,
      payload: Schema.Struct({
        /** The name of the caller, which is recorded; the name of the token when absent. */
        by: Schema.optionalKey(Schema.String)
      }),
      success: Query.Query,
      error
    }).annotate(RequiredScope, "run"),
    ask
  )
  .middleware(Authorization)
  .prefix("/v1")
  .annotateMerge(
    OpenApi.annotations({ title: "Queries", description: "Run queries and follow their events." })
  ) {}
