import { Authorization } from "@remote-agent/api"
import type { Orchestrator, Repositories, StateStore } from "@remote-agent/orchestrator"
import { Effect, Layer, Option, Redacted } from "effect"
import { McpServer } from "effect/ai"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { RateLimiter } from "../requests/RateLimiter.ts"
import { refusal, tooMany } from "../requests/refusals.ts"
import { Version } from "../routes/ServerRoutes.ts"
import { TokenStore } from "../tokens/TokenStore.ts"
import * as McpRegistrations from "./McpRegistrations.ts"

const path = "/mcp"

const unauthorized = refusal(
  "Unauthorized",
  401,
  "Unauthorized",
  "The token is missing, unknown, revoked or expired. Send it as `Authorization: Bearer …`.",
  { "www-authenticate": "Bearer" }
)

const forbidden = refusal("Forbidden", 403, "Forbidden", "MCP needs a token with the scope run or admin.")

const unavailable = refusal("Unavailable", 503, "StoreFailed", "The state store does not answer.")

const tokenOf = (header: string | undefined): Redacted.Redacted =>
  Redacted.make(/^bearer +(\S+)$/i.exec(header ?? "")?.[1] ?? "")

/** Requires a token with the scope `run` for MCP, and writes who used it to the log. */
const guard = HttpRouter.middleware(
  Effect.gen(function* () {
    const [limiter, tokens] = [yield* RateLimiter, yield* TokenStore]
    return (response) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        if ((request.url.split("?")[0] ?? "") !== path) return yield* response
        const found = yield* Effect.result(tokens.verify(tokenOf(request.headers["authorization"])))
        if (found._tag === "Failure") return unavailable
        if (Option.isNone(found.success)) {
          const address = Option.getOrElse(request.remoteAddress, () => "unknown")
          const late = yield* limiter.count("refused", address)
          return Option.isSome(late) ? tooMany(late.value) : unauthorized
        }
        const { id, name, scope } = found.success.value
        const wait = yield* limiter.count("token", id)
        if (Option.isSome(wait)) return tooMany(wait.value)
        if (!Authorization.allows(scope, "run")) return forbidden
        yield* Effect.logInfo("audit", { token: id, name, action: "mcp" })
        return yield* response
      })
  }),
  { global: true }
)

/**
 * MCP at `/mcp`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  never,
  never,
  | HttpRouter.HttpRouter
  | Orchestrator.Orchestrator
  | RateLimiter
  | Repositories.Repositories
  | StateStore.StateStore
  | TokenStore
> = Layer.merge(
  guard,
  Layer.unwrap(
    Effect.map(Version, (version) =>
      Layer.orDie(
        McpServer.layerHttp({
          ...McpRegistrations.options,
          version,
          path,
          allowSessionTermination: true,
          registrations: McpRegistrations.layer
        })
      )
    )
  )
)
