import { ApiError, Authorization } from "@remote-agent/api"
import { Context, Effect, Exit, Layer, Option } from "effect"
import type { HttpServerResponse } from "effect/http"
import { measured } from "../metrics/requestMetrics.ts"
import { TokenStore, type TokenStoreError } from "./TokenStore.ts"

const refusal = (reason: string, message: string) => ({ error: { reason, message, retryable: false } })

const unauthorized = new ApiError.Unauthorized(
  refusal(
    "Unauthorized",
    "The token is missing, unknown, revoked or expired. Send it as `Authorization: Bearer …`."
  )
)

/** A failure of the tokens as it is sent. */
export const unreadable = ({ message }: TokenStoreError) =>
  new ApiError.Unavailable({ error: { reason: "TokensUnavailable", message, retryable: true } })

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

/**
 * Checks the token of each request, and that its scope allows the endpoint.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Authorization.Authorization, never, TokenStore> = Layer.effect(
  Authorization.Authorization,
  Effect.map(TokenStore, (tokens) =>
    Authorization.Authorization.of({
      bearer: Effect.fnUntraced(function* (response, { credential, endpoint, group }) {
        const found = yield* Effect.mapError(tokens.verify(credential), unreadable)
        if (Option.isNone(found)) return yield* unauthorized
        const { id, name, scope } = found.value
        const needed = Context.get(endpoint.annotations, Authorization.RequiredScope)
        if (!Authorization.allows(scope, needed)) {
          return yield* new ApiError.Forbidden(
            refusal("Forbidden", `This needs a token with the scope ${needed}; this token has ${scope}.`)
          )
        }
        const action = `${group.identifier}.${endpoint.identifier}`
        return yield* Effect.provideService(response, Authorization.Caller, { token: id, name, scope }).pipe(
          measured(action),
          needed === "read" ? (read) => read : audited({ token: id, name, action })
        )
      })
    })
  )
)
