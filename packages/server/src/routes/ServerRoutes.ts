import { Api, ApiError, Authorization } from "@remote-agent/api"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Sandboxes } from "@remote-agent/sandbox"
import { Context, Effect, Layer, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { unreadable } from "../tokens/authorization.ts"
import { TokenStore } from "../tokens/TokenStore.ts"
import { sent } from "./sent.ts"

const noSuchToken = new ApiError.NotFound({
  error: { reason: "TokenNotFound", message: "There is no token with this id.", retryable: false }
})

/**
 * The version that the server tells.
 *
 * @category references
 * @since 0.2.0
 */
export const Version: Context.Reference<string> = Context.Reference<string>("@remote-agent/server/Version", {
  defaultValue: () => "0.0.0"
})

const server = HttpApiBuilder.group(
  Api.Api,
  "server",
  Effect.fnUntraced(function* (handlers) {
    const { state } = yield* Orchestrator.Orchestrator
    const [tokens, { provider }] = [yield* TokenStore, yield* Sandboxes.Sandboxes]
    const version = yield* Version

    return handlers.handleAll({
      version: () => Effect.succeed({ version, provider }),
      listTokens: () => Effect.mapError(tokens.list, unreadable),
      createToken: ({ payload }) =>
        Effect.gen(function* () {
          const { record, token } = yield* Effect.mapError(tokens.create(payload), unreadable)
          const { name, token: by } = yield* Authorization.Caller
          yield* Effect.logInfo("A token was created", { id: record.id, scope: record.scope, by, name })
          return { ...record, token: Redacted.value(token) }
        }),
      revokeToken: ({ params }) =>
        Effect.flatMap(Effect.mapError(tokens.revoke(params.id), unreadable), (found) =>
          found ? Effect.void : Effect.fail(noSuchToken)
        ),
      reap: ({ payload }) =>
        Effect.map(sent(state.reap(payload)), ({ complete, entries }) => ({
          complete,
          entries: entries.map(({ decision, error, outcome }) => ({
            decision,
            outcome,
            ...(error === undefined ? {} : { error: error.message })
          }))
        }))
    })
  })
)

const health = HttpApiBuilder.group(
  Api.Api,
  "health",
  Effect.fnUntraced(function* (handlers) {
    const { queries } = yield* Orchestrator.Orchestrator
    return handlers.handleAll({
      healthz: () => Effect.succeed({ status: "ok" } as const),
      // The state answers, so that everything else can.
      readyz: () =>
        Effect.as(queries.usage({ since: undefined }), { status: "ready" } as const).pipe(
          Effect.mapError(
            ({ isRetryable, message, reason }) =>
              new ApiError.Unavailable({ error: { reason: reason._tag, message, retryable: isRetryable } })
          )
        )
    })
  })
)

const metrics = HttpApiBuilder.group(Api.Api, "metrics", (handlers) =>
  handlers.handleAll({ metrics: () => PrometheusMetrics.format() })
)

/**
 * The handlers for the server itself.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = Layer.mergeAll(server, health, metrics)
