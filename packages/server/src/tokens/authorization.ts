import { ApiError, Authorization } from "@remote-agent/api"
import { Context, Effect, Exit, Layer, Option } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { measured } from "../metrics/requestMetrics.ts"
import { RateLimiter } from "../requests/RateLimiter.ts"
import { tooMany } from "../requests/refusals.ts"
import { TokenStore } from "./TokenStore.ts"

const refusal = (reason: string, message: string) => ({ error: { reason, message, retryable: false } })

const unauthorized = new ApiError.Unauthorized(
  refusal(
    "Unauthorized",
    "The token is missing, unknown, revoked or expired. Send it as `Authorization: Bearer …`."
  )
)

/** The state of the tokens cannot be read. */
const unavailable = Effect.mapError(
  (failure: Parameters<typeof ApiError.fromFailure>[0]) =>
    new ApiError.Unavailable({
      error: { reason: failure.reason._tag, message: failure.message, retryable: true, failure }
    })
)

/** A line in the log for each request that may change something: which token did what, and how it ended. */
const audited =
  (line: Readonly<Record<string, string>>) =>
  <E, R>(response: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.onExit(response, (exit) =>
      Effect.logInfo("audit", {
        ...line,
        outcome: Exit.isSuccess(exit) ? String(exit.value.status) : "failed"
      })
    )

/** The records in a path, such as agents and queries, for the audit. */
const targetOf = (url: string): string =>
  (url.split("?")[0] ?? "")
    .split("/")
    .slice(2)
    .filter((part) => /^(?:agt_|qry_|tok_)[\w-]+$/.test(part))
    .join(" ")

/**
 * Checks the token of each request, that its scope allows the endpoint, and that it does not make too many.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Authorization.Authorization, never, RateLimiter | TokenStore> = Layer.effect(
  Authorization.Authorization,
  Effect.gen(function* () {
    const [limiter, tokens] = [yield* RateLimiter, yield* TokenStore]
    return Authorization.Authorization.of({
      bearer: Effect.fnUntraced(function* (response, { credential, endpoint, group }) {
        const request = yield* HttpServerRequest.HttpServerRequest
        const found = yield* unavailable(tokens.verify(credential))
        if (Option.isNone(found)) {
          const address = Option.getOrElse(request.remoteAddress, () => "unknown")
          const late = yield* limiter.count("refused", address)
          return Option.isSome(late) ? tooMany(late.value) : yield* unauthorized
        }
        const { id, name, scope } = found.value
        const wait = yield* limiter.count("token", id)
        if (Option.isSome(wait)) return tooMany(wait.value)
        const needed = Context.get(endpoint.annotations, Authorization.RequiredScope)
        if (!Authorization.allows(scope, needed)) {
          return yield* new ApiError.Forbidden(
            refusal("Forbidden", `This needs a token with the scope ${needed}; this token has ${scope}.`)
          )
        }
        const action = `${group.identifier}.${endpoint.identifier}`
        const line = { token: id, name, action, target: targetOf(request.url) }
        return yield* Effect.provideService(response, Authorization.Caller, { token: id, name, scope }).pipe(
          measured(action),
          needed === "read" ? (read) => read : audited(line)
        )
      })
    })
  })
)
