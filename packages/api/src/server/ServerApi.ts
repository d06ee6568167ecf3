/**
 * The server itself: liveness, readiness, version, tokens, and the reaper.
 *
 * @since 0.2.0
 */
import { ImportReport, ReapPlan, SandboxError, StateStoreError } from "@remote-agent/domain"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import * as ApiError from "../ApiError.ts"
import { Authorization, RequiredScope, Scope } from "../Authorization.ts"
import { DurationText } from "../DurationText.ts"

const error = ApiError.all

/**
 * Liveness and readiness. These two need no token.
 *
 * @category groups
 * @since 0.2.0
 */
export class HealthApi extends HttpApiGroup.make("health", { topLevel: true })
  .add(
    HttpApiEndpoint.get("healthz", "/healthz", {
      success: Schema.Struct({ status: Schema.Literal("ok") })
    }),
    HttpApiEndpoint.get("readyz", "/readyz", {
      success: Schema.Struct({ status: Schema.Literal("ready") }),
      error: ApiError.Unavailable
    })
  )
  .annotateMerge(OpenApi.annotations({ title: "Health" })) {}

/**
 * Metrics for Prometheus, which sends a token of its own.
 *
 * @category groups
 * @since 0.2.0
 */
export class MetricsApi extends HttpApiGroup.make("metrics", { topLevel: true })
  .add(
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(
        HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" })
      )
    })
  )
  .middleware(Authorization)
  .annotateMerge(OpenApi.annotations({ title: "Metrics" })) {}

/**
 * A token without its secret.
 *
 * @category schemas
 * @since 0.2.0
 */
export const TokenRecord = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  scope: Scope,
  createdAt: Schema.DateTimeUtcFromString,
  expiresAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
})
/** @since 0.2.0 */
export type TokenRecord = typeof TokenRecord.Type

/**
 * The action of the reaper on one sandbox, intent or agent, done or planned.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ReapEntry = Schema.Struct({
  decision: ReapPlan.Decision,
  outcome: Schema.Literals(["planned", "done", "spared", "failed", "postponed", "left"]),
  error: Schema.optionalKey(Schema.Union([SandboxError.SandboxError, StateStoreError.StateStoreError]))
})

/**
 * The report of a pass of the reaper, or of a dry run.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ReapReport = Schema.Struct({
  at: Schema.DateTimeUtcFromString,
  owner: Schema.String,
  provider: Schema.String,
  /** Whether every sandbox was listed. */
  complete: Schema.Boolean,
  dryRun: Schema.Boolean,
  entries: Schema.Array(ReapEntry)
})

/**
 * A profile, and why it cannot run at this server. No value of a setting is shown.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ProfileInfo = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  ready: Schema.Boolean,
  problems: Schema.Array(Schema.Struct({ name: Schema.String, problem: Schema.String, hint: Schema.String }))
})

/**
 * Version, tokens and the reaper.
 *
 * @category groups
 * @since 0.2.0
 */
export class ServerApi extends HttpApiGroup.make("server")
  .add(
    HttpApiEndpoint.get("version", "/version", {
      success: Schema.Struct({
        version: Schema.String,
        provider: Schema.String,
        /** The scope of the token of this request. */
        scope: Scope
      }),
      error
    }),
    HttpApiEndpoint.get("listTokens", "/tokens", { success: Schema.Array(TokenRecord), error }).annotate(
      RequiredScope,
      "admin"
    ),
    HttpApiEndpoint.post("createToken", "/tokens", {
      payload: Schema.Struct({
        name: Schema.String.check(Schema.isNonEmpty()),
        scope: Scope,
        /** How long it is valid; for ever when absent. */
        ttl: Schema.optionalKey(DurationText)
      }),
      /** `token` is the secret. It is shown once and stored only as a hash. */
      success: Schema.Struct({ ...TokenRecord.fields, token: Schema.String }).pipe(HttpApiSchema.status(201)),
      error
    }).annotate(RequiredScope, "admin"),
    HttpApiEndpoint.delete("revokeToken", "/tokens/:id", {
      params: { id: Schema.String },
      success: HttpApiSchema.NoContent,
      error
    }).annotate(RequiredScope, "admin"),
    HttpApiEndpoint.post("reap", "/reap", {
      payload: Schema.Struct({
        dryRun: Schema.optionalKey(Schema.Boolean),
        removePaused: Schema.optionalKey(Schema.Boolean),
        /** How long a sandbox may stay paused. */
        retention: Schema.optionalKey(DurationText)
      }),
      success: ReapReport,
      error
    }).annotate(RequiredScope, "admin"),
    HttpApiEndpoint.get("profiles", "/profiles", { success: Schema.Array(ProfileInfo), error }),
    HttpApiEndpoint.get("exportState", "/state", {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/json" })),
      error
    }).annotate(RequiredScope, "admin"),
    HttpApiEndpoint.post("importState", "/state", {
      payload: Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array()),
      success: ImportReport.ImportReport,
      error
    }).annotate(RequiredScope, "admin")
  )
  .middleware(Authorization)
  .prefix("/v1")
  .annotateMerge(OpenApi.annotations({ title: "Server", description: "Version, tokens and the reaper." })) {}
