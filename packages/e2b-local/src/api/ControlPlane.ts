/**
 * The REST API of E2B for the life of sandboxes.
 *
 * @since 0.1.0
 */
import { Effect, Option, Redacted, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { ApiError, response } from "./ApiError.ts"
import { sameSecret } from "./RequestGuard.ts"
import * as Body from "./requestBody.ts"
import * as SandboxListing from "./SandboxListing.ts"
import { variablesProblem } from "../envd/ProcessService.ts"
import * as LogRoutes from "./LogRoutes.ts"
import type { Sandbox, Spec } from "../sandboxes/Sandbox.ts"
import { SandboxRegistry } from "../sandboxes/SandboxRegistry.ts"
import * as SnapshotRoutes from "./SnapshotRoutes.ts"
import { SnapshotStore } from "../sandboxes/SnapshotStore.ts"

const Text = Schema.Record(Schema.String, Schema.String)
const DEFAULT_SECONDS = 300

const CreateRequest = Schema.Struct({
  templateID: Schema.String,
  timeout: Schema.optional(Body.Timeout),
  metadata: Schema.optional(Text),
  envVars: Schema.optional(Text),
  autoPause: Schema.optional(Schema.Boolean),
  autoPauseMemory: Schema.optional(Schema.Boolean),
  autoResume: Schema.optional(Schema.Struct({ enabled: Schema.Boolean })),
  allow_internet_access: Schema.optional(Schema.Boolean),
  network: Schema.optional(Schema.Struct({ allowPublicTraffic: Schema.optional(Schema.Boolean) })),
  secure: Schema.optional(Schema.Boolean)
})
const ConnectRequest = Schema.Struct({
  timeout: Schema.optional(Body.Timeout),
  memory: Schema.optional(Schema.Boolean)
})
const PauseRequest = Schema.Struct({ memory: Schema.optional(Schema.Boolean) })
const TimeoutRequest = Schema.Struct({ timeout: Body.Timeout })

const detail = (sandbox: Sandbox) => ({
  ...SandboxListing.summary(sandbox),
  envdAccessToken: Redacted.value(sandbox.token),
  allowInternetAccess: sandbox.spec.internet,
  network: { allowPublicTraffic: sandbox.spec.publicTraffic },
  lifecycle: { onTimeout: sandbox.spec.autoPause ? "pause" : "kill", autoResume: sandbox.spec.autoResume }
})

const create = Effect.gen(function* () {
  const registry = yield* SandboxRegistry
  const request = yield* Body.decode(CreateRequest)
  const autoResume = request.autoResume?.enabled ?? false
  if (autoResume && request.autoPause !== true) return yield* Body.bad("autoResume needs a pause at the end")
  if (request.autoPauseMemory === false) {
    return yield* Body.bad("a pause without memory is not available in local sandboxes")
  }
  const problem = variablesProblem(request.envVars ?? {})
  if (Option.isSome(problem)) return yield* Body.bad(problem.value)
  const spec: Spec = {
    templateId: request.templateID,
    metadata: request.metadata ?? {},
    envVars: request.envVars ?? {},
    timeoutSeconds: request.timeout ?? DEFAULT_SECONDS,
    autoPause: request.autoPause ?? false,
    autoResume,
    internet: request.allow_internet_access ?? true,
    publicTraffic: request.network?.allowPublicTraffic ?? true
  }
  if (spec.internet && !spec.publicTraffic) {
    return yield* Body.bad(
      "allowPublicTraffic: false needs allowInternetAccess: false in local sandboxes, which share the network of this machine otherwise"
    )
  }
  const snapshots = yield* SnapshotStore
  const sandbox = yield* snapshots.reading(spec.templateId, (files) => registry.create(spec, files))
  return HttpServerResponse.jsonUnsafe(SandboxListing.connection(sandbox, yield* Body.domain), {
    status: 201
  })
})

const connect = (id: string) =>
  Effect.gen(function* () {
    const registry = yield* SandboxRegistry
    const request = yield* Body.decode(ConnectRequest)
    if (request.memory === false)
      return yield* Body.bad("a resume without memory is not available in local sandboxes")
    const { resumed, sandbox } = yield* registry.connect(id, request.timeout ?? DEFAULT_SECONDS)
    return HttpServerResponse.jsonUnsafe(SandboxListing.connection(sandbox, yield* Body.domain), {
      status: resumed ? 201 : 200
    })
  })

const list = Effect.gen(function* () {
  const registry = yield* SandboxRegistry
  const request = yield* HttpServerRequest.HttpServerRequest
  const url = new URL(request.url, "http://localhost")
  const query = yield* SandboxListing.decodeQuery(HttpServerRequest.searchParamsFromURL(url))
  return SandboxListing.response(SandboxListing.page(yield* registry.list, query), SandboxListing.summary)
})

const info = (id: string) =>
  Effect.flatMap(SandboxRegistry, (registry) => registry.get(id)).pipe(
    Effect.map((sandbox) => HttpServerResponse.jsonUnsafe(detail(sandbox)))
  )

const kill = (id: string) =>
  Effect.flatMap(SandboxRegistry, (registry) => registry.kill(id)).pipe(
    Effect.as(HttpServerResponse.empty({ status: 204 }))
  )

const pause = (id: string) =>
  Effect.gen(function* () {
    const registry = yield* SandboxRegistry
    const request = yield* Body.decode(PauseRequest)
    if (request.memory === false)
      return yield* Body.bad("a pause without memory is not available in local sandboxes")
    yield* registry.pause(id)
    return HttpServerResponse.empty({ status: 204 })
  })

const timeout = (id: string) =>
  Effect.gen(function* () {
    const registry = yield* SandboxRegistry
    yield* registry.setTimeout(id, (yield* Body.decode(TimeoutRequest)).timeout)
    return HttpServerResponse.empty({ status: 204 })
  })

/** In seconds since the epoch. */
const Interval = Schema.Struct({
  start: Schema.optionalKey(Schema.FiniteFromString),
  end: Schema.optionalKey(Schema.FiniteFromString)
})

const metrics = (id: string) =>
  Effect.gen(function* () {
    const registry = yield* SandboxRegistry
    const sandbox = yield* registry.get(id)
    const { end = Infinity, start = 0 } = yield* Body.query(Interval)
    if (sandbox.state === "running") yield* sandbox.metrics.sample
    return HttpServerResponse.jsonUnsafe(sandbox.metrics.between(start, end))
  })

// Not 404, which the SDK takes for a sandbox that is gone.
const unavailable = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
  Effect.fail(
    new ApiError({
      status: 501,
      message: `${request.method} ${request.url} is not available in local sandboxes`
    })
  )
)

/** The routes of a server whose API key is `apiKey`. */
export const routes = (apiKey: Redacted.Redacted) => {
  const guarded = <E, R>(handle: Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError | E, R>) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      sameSecret(request.headers["x-api-key"], Redacted.value(apiKey))
        ? handle
        : Effect.fail(new ApiError({ status: 401, message: "the API key is missing or wrong" }))
    ).pipe(Effect.catchTag("ApiError", (error) => Effect.succeed(response(error as ApiError))))
  const withId = <E, R>(
    handle: (id: string) => Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError | E, R>
  ) => guarded(Effect.flatMap(HttpRouter.params, (params) => handle(params["id"] ?? "")))
  return HttpRouter.addAll([
    HttpRouter.route("POST", "/v2/sandboxes", guarded(create)),
    HttpRouter.route("GET", "/v2/sandboxes", guarded(list)),
    HttpRouter.route("POST", "/v2/sandboxes/:id/connect", withId(connect)),
    HttpRouter.route("GET", "/sandboxes/:id", withId(info)),
    HttpRouter.route("DELETE", "/sandboxes/:id", withId(kill)),
    HttpRouter.route("POST", "/sandboxes/:id/pause", withId(pause)),
    HttpRouter.route("POST", "/sandboxes/:id/timeout", withId(timeout)),
    HttpRouter.route("GET", "/sandboxes/:id/metrics", withId(metrics)),
    HttpRouter.route("GET", "/sandboxes/:id/logs", withId(LogRoutes.first)),
    HttpRouter.route("GET", "/v2/sandboxes/:id/logs", withId(LogRoutes.second)),
    HttpRouter.route("POST", "/sandboxes/:id/snapshots", withId(SnapshotRoutes.take)),
    HttpRouter.route("POST", "/sandboxes/:id/fork", withId(SnapshotRoutes.fork)),
    HttpRouter.route("GET", "/snapshots", guarded(SnapshotRoutes.list)),
    HttpRouter.route("DELETE", "/templates/:id", withId(SnapshotRoutes.remove)),
    HttpRouter.route("*", "/*", guarded(unavailable))
  ])
}
