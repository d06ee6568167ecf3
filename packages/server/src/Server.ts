/**
 * The server: the API over HTTP, its reference, and metrics.
 *
 * @since 0.2.0
 */
import { Api } from "@remote-agent/api"
import type {
  Orchestrator,
  Profiles,
  Repositories,
  RequestKeys,
  StateStore
} from "@remote-agent/orchestrator"
import type { Sandboxes } from "@remote-agent/sandbox"
import { type FileSystem, Layer, type Path } from "effect"
import { type Etag, type HttpPlatform, HttpRouter, type HttpServer } from "effect/http"
import { HttpApiBuilder, HttpApiScalar } from "effect/http-api"
import * as McpRoutes from "./mcp/McpRoutes.ts"
import * as QueryFollower from "./events/QueryFollower.ts"
import * as PageRoutes from "./page/PageRoutes.ts"
import type { Draining } from "./requests/Draining.ts"
import * as RateLimiter from "./requests/RateLimiter.ts"
import * as RequestGuard from "./requests/RequestGuard.ts"
import * as AgentRoutes from "./routes/AgentRoutes.ts"
import * as Idempotency from "./routes/Idempotency.ts"
import * as PoolRoutes from "./routes/PoolRoutes.ts"
import * as QueryRoutes from "./routes/QueryRoutes.ts"
import * as RepositoryRoutes from "./routes/RepositoryRoutes.ts"
import * as SandboxRoutes from "./routes/SandboxRoutes.ts"
import * as ServerRoutes from "./routes/ServerRoutes.ts"
import * as UsageRoutes from "./routes/UsageRoutes.ts"
import * as TokenAuthorization from "./tokens/authorization.ts"
import type { TokenStore } from "./tokens/TokenStore.ts"

/**
 * How requests are checked.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends Partial<RequestGuard.Options> {
  readonly limits?: RateLimiter.Limits | undefined
  /** The page, which is served at every path that no other route has. There is none when absent. */
  readonly page?: PageRoutes.Page | undefined
}

/**
 * The limits with this many requests per second for each token.
 *
 * @category constructors
 * @since 0.2.0
 */
export const limitsOf = (perSecond: number): RateLimiter.Limits => ({
  ...RateLimiter.defaults,
  token: { perSecond, burst: perSecond * 5 }
})

/** The services that the server is a face of. */
type Needs =
  | Draining
  | Orchestrator.Orchestrator
  | Profiles.Profiles
  | Repositories.Repositories
  | RequestKeys.RequestKeys
  | Sandboxes.Sandboxes
  | StateStore.StateStore
  | TokenStore

/** What serves files and tags of any HTTP server in Effect. */
type Platform = Etag.Generator | FileSystem.FileSystem | HttpPlatform.HttpPlatform | Path.Path

const handlers = Layer.mergeAll(
  AgentRoutes.layer,
  QueryRoutes.layer,
  PoolRoutes.layer,
  RepositoryRoutes.layer,
  SandboxRoutes.layer,
  UsageRoutes.layer,
  ServerRoutes.layer
)

/** How many bytes a body may have when nothing else is said: a file for a sandbox, or a state to import. */
const maxBodyBytes = 64 * 1024 * 1024

/**
 * Every route: the API below `/v1`, MCP at `/mcp`, `/healthz`, `/readyz`, `/openapi.json`, `/docs` and `/metrics`.
 *
 * @category layers
 * @since 0.2.0
 */
export const routes = (
  options: Options = {}
): Layer.Layer<never, never, HttpRouter.HttpRouter | Needs | Platform> =>
  Layer.mergeAll(
    RequestGuard.layer({ maxBodyBytes, corsOrigins: [], ...options }),
    HttpApiBuilder.layer(Api.Api, { openapiPath: "/openapi.json" }).pipe(
      Layer.provide(handlers),
      Layer.provide([Idempotency.layer, QueryFollower.layer, TokenAuthorization.layer, RequestGuard.checks])
    ),
    McpRoutes.layer,
    HttpApiScalar.layer(Api.Api, { path: "/docs" }),
    options.page === undefined ? Layer.empty : PageRoutes.layer(options.page)
  ).pipe(Layer.provide(RateLimiter.layer(options.limits)))

/**
 * Serves every route with the HTTP server of the context.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options?: Options
): Layer.Layer<never, never, HttpServer.HttpServer | Needs | Platform> =>
  HttpRouter.serve(routes(options), { disableListenLog: true, disableLogger: true })
