/**
 * The routes of E2B's control plane.
 *
 * The declared endpoints run on HttpApi. The routes that this server does not have stay on HttpRouter, because they have
 * neither a schema nor a fixed path.
 *
 * @since 0.1.0
 */
import { Effect, Layer, type Redacted } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiError } from "effect/http-api"
import { describeIssue, refuse, response } from "./ApiError.ts"
import { Access, E2bApi } from "./E2bApi.ts"
import { requireApiKey } from "./RequestGuard.ts"
import { refusing } from "./respond.ts"
import * as SandboxHandlers from "./SandboxHandlers.ts"
import * as SnapshotHandlers from "./SnapshotHandlers.ts"

/** Every body is JSON, with any `Content-Type` or none, as many programs send it. */
const asJson = <A, E, R>(app: Effect.Effect<A, E, R>) =>
  Effect.updateService(app, HttpServerRequest.HttpServerRequest, (request) =>
    request.modify({ headers: { ...request.headers, "content-type": "application/json" } })
  )

const access = (apiKey: Redacted.Redacted) =>
  Layer.succeed(Access, (app) =>
    Effect.andThen(refusing(requireApiKey(apiKey)), asJson(app)).pipe(
      Effect.catch((error) => {
        const unknown: unknown = error
        if (!HttpApiError.HttpApiSchemaError.is(unknown)) return Effect.fail(error)
        const { cause, kind } = unknown
        return kind === "Body" || kind === "ResponseHeaders"
          ? Effect.die(cause)
          : refusing(Effect.fail(refuse(400, describeIssue(cause))))
      })
    )
  )

/** First parts of paths that E2B has and this server does not, apart from the endpoints. */
const known = [
  "/sandboxes",
  "/v2/sandboxes",
  "/snapshots",
  "/templates",
  "/v2/templates",
  "/v3/templates",
  "/volumes",
  "/volumecontent",
  "/secrets",
  "/teams",
  "/api-keys",
  "/access-tokens",
  "/nodes",
  "/admin",
  "/events"
]

const isKnown = (path: string) => known.some((prefix) => path === prefix || path.startsWith(`${prefix}/`))

/** 501 for a route of E2B: the SDK takes 404 for a sandbox that does not exist. 404 for any other path. */
const missing = (apiKey: Redacted.Redacted) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
    const path = url.split("?", 1)[0] ?? ""
    return isKnown(path)
      ? Effect.andThen(
          requireApiKey(apiKey),
          Effect.fail(refuse(501, `${method} ${path} is not available in local sandboxes`))
        )
      : Effect.fail(refuse(404, `${method} ${path} was not found`))
  }).pipe(Effect.catch((error) => Effect.succeed(response(error))))

/** The routes of a server with the API key `apiKey`. */
export const routes = (apiKey: Redacted.Redacted) =>
  Layer.mergeAll(
    HttpApiBuilder.layer(E2bApi).pipe(
      Layer.provide([SandboxHandlers.layer, SnapshotHandlers.layer]),
      Layer.provide(access(apiKey))
    ),
    HttpRouter.add("*", "/*", missing(apiKey))
  )
