import { Api, ApiError, type Authorization } from "@remote-agent/api"
import { type Id, OrchestratorError } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect, type Layer, Stream } from "effect"
import { HttpApiBuilder, type HttpApiGroup } from "effect/http-api"
import { launchSpec } from "./AgentRoutes.ts"
import { sent } from "./sent.ts"

const noSuchPool = (name: string) =>
  ApiError.fromOrchestrator(
    new OrchestratorError.OrchestratorError({
      operation: "pool",
      reason: new OrchestratorError.PoolNotFound({ name })
    })
  )

/**
 * The handlers for named pools.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  HttpApiGroup.Service<"remote-agent", "pools">,
  never,
  Authorization.Authorization | Orchestrator.Orchestrator
> = HttpApiBuilder.group(
  Api.Api,
  "pools",
  Effect.fnUntraced(function* (handlers) {
    const { pools } = yield* Orchestrator.Orchestrator

    const get = Effect.fnUntraced(function* (name: Id.PoolName) {
      const all = yield* sent(Stream.runCollect(pools.list))
      return all.find((pool) => pool.name === name) ?? (yield* noSuchPool(name))
    })

    return handlers.handleAll({
      list: () => sent(Stream.runCollect(pools.list)),
      get: ({ params }) => get(params.name),
      open: ({ payload }) =>
        Effect.gen(function* () {
          const { agents } = yield* sent(
            Effect.scoped(Effect.flatMap(pools.open(launchSpec(payload)), ({ settled }) => settled))
          )
          return { pool: yield* get(payload.name), agents: agents.map(({ id }) => id), busy: [] }
        }),
      resize: ({ params, payload }) =>
        Effect.gen(function* () {
          const { agents, busy } = yield* sent(pools.resize(params.name, payload.size))
          return { pool: yield* get(params.name), agents: agents.map(({ id }) => id), busy }
        }),
      close: ({ params }) => sent(pools.close(params.name))
    })
  })
)
