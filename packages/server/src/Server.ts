/**
 * The server: the API over HTTP, its reference, and metrics.
 *
 * @since 0.2.0
 */
import { Api } from "@remote-agent/api"
import type { Orchestrator, StateStore } from "@remote-agent/orchestrator"
import type { Sandboxes } from "@remote-agent/sandbox"
import { type FileSystem, Layer, type Path } from "effect"
import { type Etag, type HttpPlatform, HttpRouter, type HttpServer } from "effect/http"
import { HttpApiBuilder, HttpApiScalar } from "effect/http-api"
import * as QueryFollower from "./events/QueryFollower.ts"
import * as PageRoutes from "./page/PageRoutes.ts"
import * as AgentRoutes from "./routes/AgentRoutes.ts"
import * as Idempotency from "./routes/Idempotency.ts"
import * as PoolRoutes from "./routes/PoolRoutes.ts"
import * as QueryRoutes from "./routes/QueryRoutes.ts"
import * as ServerRoutes from "./routes/ServerRoutes.ts"
import * as UsageRoutes from "./routes/UsageRoutes.ts"
import type { TokenStore } from "./tokens/TokenStore.ts"
import * as TokenAuthorization from "./tokens/authorization.ts"

/** The services that the server is a face of. */
type Needs = Orchestrator.Orchestrator | Sandboxes.Sandboxes | StateStore.StateStore | TokenStore

/** What serves files and tags of any HTTP server in Effect. */
type Platform = Etag.Generator | FileSystem.FileSystem | HttpPlatform.HttpPlatform | Path.Path

const api = HttpApiBuilder.layer(Api.Api, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide([
    AgentRoutes.layer,
    QueryRoutes.layer,
    PoolRoutes.layer,
    UsageRoutes.layer,
    ServerRoutes.layer
  ]),
  Layer.provide([Idempotency.layer, QueryFollower.layer, TokenAuthorization.layer])
)

/**
 * Every route: the API below `/v1`, `/healthz`, `/readyz`, `/openapi.json`, `/docs` and `/metrics`.
 *
 * @category layers
 * @since 0.2.0
 */
export const routes: Layer.Layer<never, never, HttpRouter.HttpRouter | Needs | Platform> = Layer.merge(
  api,
  HttpApiScalar.layer(Api.Api, { path: "/docs" })
)

/**
 * Serves every route with the HTTP server of the context.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<never, never, HttpServer.HttpServer | Needs | Platform> =
  HttpRouter.serve(routes)

/**
 * Serves every route, and the page at every other path.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerWithPage = (
  page: PageRoutes.Page
): Layer.Layer<never, never, HttpServer.HttpServer | Needs | Platform> =>
  HttpRouter.serve(Layer.merge(routes, PageRoutes.layer(page)))
