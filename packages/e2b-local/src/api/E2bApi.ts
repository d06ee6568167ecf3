/**
 * E2B's control plane: its routes, schemas and statuses, declared once.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSchema } from "effect/http-api"
import * as Schemas from "./schemas.ts"

const refusal = <const Code extends number>(code: Code) =>
  Schema.Struct({ code: Schema.Literal(code), message: Schema.String }).pipe(HttpApiSchema.status(code))

/** The refusals of every endpoint. The body repeats the status, because E2B's SDK reads it there. */
const refusals = [
  refusal(400),
  refusal(401),
  refusal(403),
  refusal(404),
  refusal(409),
  refusal(415),
  refusal(416),
  refusal(500),
  refusal(501),
  refusal(503),
  refusal(507)
] as const

/** A refusal on the wire. */
export type Refusal = (typeof refusals)[number]["Type"]

/** Checks the API key before anything else, and gives requests that do not fit a schema E2B's form of an error. */
export class Access extends HttpApiMiddleware.Service<Access>()("@remote-agent/e2b-local/Access", {
  error: refusals
}) {}

const params = { id: Schema.String }

/** A body, or none, which means no fields. */
const body = <S extends Schema.Top>(schema: S) => [schema, Schema.Null] as const

const created = <S extends Schema.Top>(schema: S) => schema.pipe(HttpApiSchema.status(201))

const noContent = HttpApiSchema.NoContent

/** A page of a list. The header with the token of the next page is missing on the last one. */
const page = <S extends Schema.Top>(item: S) =>
  HttpApiSchema.WithHeaders(Schema.Array(item), { "x-next-token": Schema.optionalKey(Schema.String) })

const connectOptions = {
  params,
  payload: body(Schemas.ConnectRequest),
  success: [Schemas.Connection, created(Schemas.Connection)],
  error: refusals
} as const

const sandboxes = HttpApiGroup.make("sandboxes").add(
  HttpApiEndpoint.post("create", "/v2/sandboxes", {
    payload: Schemas.CreateRequest,
    success: created(Schemas.Connection),
    error: refusals
  }),
  // SDKs before 2.51 and the CLI.
  HttpApiEndpoint.post("createFirst", "/sandboxes", {
    payload: Schemas.CreateRequest,
    success: created(Schemas.Connection),
    error: refusals
  }),
  HttpApiEndpoint.get("list", "/v2/sandboxes", {
    query: Schemas.ListQuery,
    success: page(Schemas.Summary),
    error: refusals
  }),
  HttpApiEndpoint.get("listFirst", "/sandboxes", {
    query: Schemas.ListQuery,
    success: page(Schemas.Summary),
    error: refusals
  }),
  HttpApiEndpoint.get("manyMetrics", "/sandboxes/metrics", {
    query: Schemas.ManyMetricsQuery,
    success: Schemas.ManyMetrics,
    error: refusals
  }),
  HttpApiEndpoint.post("connect", "/v2/sandboxes/:id/connect", connectOptions),
  HttpApiEndpoint.post("connectFirst", "/sandboxes/:id/connect", connectOptions),
  HttpApiEndpoint.post("resume", "/sandboxes/:id/resume", {
    params,
    payload: body(Schemas.ResumeRequest),
    success: created(Schemas.Connection),
    error: refusals
  }),
  HttpApiEndpoint.get("info", "/sandboxes/:id", { params, success: Schemas.Detail, error: refusals }),
  HttpApiEndpoint.delete("kill", "/sandboxes/:id", { params, success: noContent, error: refusals }),
  HttpApiEndpoint.post("pause", "/sandboxes/:id/pause", {
    params,
    payload: body(Schemas.PauseRequest),
    success: noContent,
    error: refusals
  }),
  HttpApiEndpoint.post("timeout", "/sandboxes/:id/timeout", {
    params,
    payload: Schemas.TimeoutRequest,
    success: noContent,
    error: refusals
  }),
  HttpApiEndpoint.post("refresh", "/sandboxes/:id/refreshes", {
    params,
    payload: body(Schemas.RefreshRequest),
    success: noContent,
    error: refusals
  }),
  HttpApiEndpoint.put("network", "/sandboxes/:id/network", {
    params,
    payload: body(Schemas.NetworkRequest),
    success: noContent,
    error: refusals
  }),
  HttpApiEndpoint.get("metrics", "/sandboxes/:id/metrics", {
    params,
    query: Schemas.MetricsQuery,
    success: Schema.Array(Schemas.Metric),
    error: refusals
  }),
  HttpApiEndpoint.get("logsFirst", "/sandboxes/:id/logs", {
    params,
    query: Schemas.LogQuery,
    success: Schemas.Logs,
    error: refusals
  }),
  HttpApiEndpoint.get("logs", "/v2/sandboxes/:id/logs", {
    params,
    query: Schemas.SecondLogQuery,
    success: Schemas.SecondLogs,
    error: refusals
  })
)

const snapshots = HttpApiGroup.make("snapshots").add(
  HttpApiEndpoint.post("take", "/sandboxes/:id/snapshots", {
    params,
    payload: body(Schemas.SnapshotRequest),
    success: created(Schemas.SnapshotInfo),
    error: refusals
  }),
  HttpApiEndpoint.post("fork", "/sandboxes/:id/fork", {
    params,
    payload: body(Schemas.ForkRequest),
    success: created(Schema.Array(Schemas.Fork)),
    error: refusals
  }),
  HttpApiEndpoint.get("listSnapshots", "/snapshots", {
    query: Schemas.SnapshotQuery,
    success: page(Schemas.SnapshotInfo),
    error: refusals
  }),
  HttpApiEndpoint.get("alias", "/templates/aliases/:id", {
    params,
    success: Schemas.TemplateAlias,
    error: refusals
  }),
  HttpApiEndpoint.delete("remove", "/templates/:id", { params, success: noContent, error: refusals })
)

/** The control plane. Unknown fields of a body are refused, unknown parameters of a query are ignored. */
export class E2bApi extends HttpApi.make("e2b")
  .add(sandboxes)
  .add(snapshots)
  .middleware(Access)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error", errors: "all" }) {}
