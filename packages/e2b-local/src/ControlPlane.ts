/**
 * The REST API of E2B for the life of sandboxes.
 *
 * @since 0.1.0
 */
import { Effect, Option, Redacted, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { ApiError, response } from "./ApiError.ts"
import { sameSecret } from "./Guard.ts"
import * as Listing from "./Listing.ts"
import { variablesProblem } from "./ProcessService.ts"
import type { Sandbox } from "./Sandbox.ts"
import { SandboxRegistry } from "./SandboxRegistry.ts"

const Timeout = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 86_400 })))
const Text = Schema.Record(Schema.String, Schema.String)
const DEFAULT_SECONDS = 300
/** Of the envd whose protocol is spoken here. */
const ENVD_VERSION = "0.6.13"

const CreateRequest = Schema.Struct({
  templateID: Schema.String,
  timeout: Schema.optional(Timeout),
  metadata: Schema.optional(Text),
  envVars: Schema.optional(Text),
  autoPause: Schema.optional(Schema.Boolean),
  autoPauseMemory: Schema.optional(Schema.Boolean),
  autoResume: Schema.optional(Schema.Struct({ enabled: Schema.Boolean })),
  allow_internet_access: Schema.optional(Schema.Boolean),
  secure: Schema.optional(Schema.Boolean)
})
const ConnectRequest = Schema.Struct({
  timeout: Schema.optional(Timeout),
  memory: Schema.optional(Schema.Boolean)
})
const PauseRequest = Schema.Struct({ memory: Schema.optional(Schema.Boolean) })
const TimeoutRequest = Schema.Struct({ timeout: Timeout })

const bad = (message: string) => new ApiError({ status: 400, message })

const decodeRecord = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
)

/** Decodes a JSON body. Fields that the schema does not know are refused: ignoring them would break a promise. */
const body = <F extends Schema.Struct.Fields, I>(
  schema: Schema.Codec<Schema.Struct<F>["Type"], I> & { readonly fields: F }
) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const text = yield* request.text.pipe(Effect.mapError((error) => bad(error.message)))
    const record = yield* decodeRecord(text === "" ? "{}" : text).pipe(
      Effect.mapError(() => bad("the body is not a JSON object"))
    )
    const given = Object.entries(record).filter(([, value]) => value !== null)
    const unknown = given.map(([name]) => name).filter((name) => !Object.hasOwn(schema.fields, name))
    if (unknown.length > 0) return yield* bad(`not available in local sandboxes: ${unknown.join(", ")}`)
    return yield* decode(Object.fromEntries(given)).pipe(Effect.mapError((error) => bad(String(error))))
  })
}

const view = (sandbox: Sandbox) => ({
  sandboxID: sandbox.id,
  templateID: sandbox.spec.templateId,
  clientID: "local",
  envdVersion: ENVD_VERSION,
  envdAccessToken: Redacted.value(sandbox.token),
  domain: null
})

const detail = (sandbox: Sandbox) => ({
  ...Listing.summary(sandbox),
  envdAccessToken: Redacted.value(sandbox.token),
  allowInternetAccess: sandbox.spec.internet,
  lifecycle: { onTimeout: sandbox.spec.autoPause ? "pause" : "kill", autoResume: sandbox.spec.autoResume },
  domain: null
})

const create = Effect.gen(function* () {
  const registry = yield* SandboxRegistry
  const request = yield* body(CreateRequest)
  const autoResume = request.autoResume?.enabled ?? false
  if (autoResume && request.autoPause !== true) return yield* bad("autoResume needs a pause at the end")
  if (request.autoPauseMemory === false) {
    return yield* bad("a pause without memory is not available in local sandboxes")
  }
  const problem = variablesProblem(request.envVars ?? {})
  if (Option.isSome(problem)) return yield* bad(problem.value)
  const sandbox = yield* registry.create({
    templateId: request.templateID,
    metadata: request.metadata ?? {},
    envVars: request.envVars ?? {},
    timeoutSeconds: request.timeout ?? DEFAULT_SECONDS,
    autoPause: request.autoPause ?? false,
    autoResume,
    internet: request.allow_internet_access ?? true
  })
  return HttpServerResponse.jsonUnsafe(view(sandbox), { status: 201 })
})

const connect = (id: string) =>
  Effect.gen(function* () {
    const registry = yield* SandboxRegistry
    const request = yield* body(ConnectRequest)
    if (request.memory === false)
      return yield* bad("a resume without memory is not available in local sandboxes")
    const { resumed, sandbox } = yield* registry.connect(id, request.timeout ?? DEFAULT_SECONDS)
    return HttpServerResponse.jsonUnsafe(view(sandbox), { status: resumed ? 201 : 200 })
  })

const list = Effect.gen(function* () {
  const registry = yield* SandboxRegistry
  const request = yield* HttpServerRequest.HttpServerRequest
  const url = new URL(request.url, "http://localhost")
  const query = yield* Listing.decodeQuery(HttpServerRequest.searchParamsFromURL(url))
  const page = Listing.page(yield* registry.list, query)
  return HttpServerResponse.jsonUnsafe(page.items.map(Listing.summary), {
    headers: Option.match(page.next, { onNone: () => ({}), onSome: (token) => ({ "x-next-token": token }) })
  })
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
    const request = yield* body(PauseRequest)
    if (request.memory === false)
      return yield* bad("a pause without memory is not available in local sandboxes")
    yield* registry.pause(id)
    return HttpServerResponse.empty({ status: 204 })
  })

const timeout = (id: string) =>
  Effect.gen(function* () {
    const registry = yield* SandboxRegistry
    yield* registry.setTimeout(id, (yield* body(TimeoutRequest)).timeout)
    return HttpServerResponse.empty({ status: 204 })
  })

const decodeInterval = Schema.decodeUnknownEffect(
  Schema.Struct({
    start: Schema.optionalKey(Schema.FiniteFromString),
    end: Schema.optionalKey(Schema.FiniteFromString)
  })
)

const metrics = (id: string) =>
  Effect.gen(function* () {
    const registry = yield* SandboxRegistry
    const sandbox = yield* registry.get(id)
    const request = yield* HttpServerRequest.HttpServerRequest
    const url = new URL(request.url, "http://localhost")
    const { end = Infinity, start = 0 } = yield* decodeInterval(
      HttpServerRequest.searchParamsFromURL(url)
    ).pipe(Effect.mapError(() => bad("start and end are seconds")))
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
    HttpRouter.route("*", "/*", guarded(unavailable))
  ])
}
