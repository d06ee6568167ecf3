import { Api, type Authorization } from "@remote-agent/api"
import { Orchestrator, StateStore } from "@remote-agent/orchestrator"
import { Effect, type Layer } from "effect"
import { HttpApiBuilder, type HttpApiGroup } from "effect/http-api"
import { sent } from "./sent.ts"
import { unavailable } from "./unavailable.ts"

/**
 * The handlers for usage.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  HttpApiGroup.Service<"remote-agent", "usage">,
  never,
  Authorization.Authorization | Orchestrator.Orchestrator | StateStore.StateStore
> = HttpApiBuilder.group(
  Api.Api,
  "usage",
  Effect.fnUntraced(function* (handlers) {
    const { queries } = yield* Orchestrator.Orchestrator
    const store = yield* StateStore.StateStore

    return handlers.handleAll({
      summary: ({ query }) => sent(queries.usage(query)),
      by: ({ params, query }) =>
        Effect.map(Effect.mapError(store.usageBy(params.grouping, query), unavailable), (groups) =>
          groups.map(({ key, name, ...group }) => ({
            ...group,
            ...(key === undefined ? {} : { key }),
            ...(name === undefined ? {} : { name })
          }))
        )
    })
  })
)
