import { Api, ApiError, type Authorization, type RequestChecks } from "@remote-agent/api"
import { type Id, OrchestratorError } from "@remote-agent/domain"
import { Orchestrator, StateStore } from "@remote-agent/orchestrator"
import { Effect, type Layer, Stream } from "effect"
import { HttpApiBuilder, type HttpApiGroup } from "effect/http-api"
import { launchSpec } from "./AgentRoutes.ts"
import { sent } from "./sent.ts"

const noSuchPool = (name: string) =>
  ApiError.fromFailure(
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
  | Authorization.Authorization
  | RequestChecks.RequestChecks
  | Orchestrator.Orchestrator
  | StateStore.StateStore
> = HttpApiBuilder.group(
  Api.Api,
  "pools",
  Effect.fnUntraced(function* (handlers) {
    const { pools } = yield* Orchestrator.Orchestrator
    const store = yield* StateStore.StateStore

    const get = Effect.fnUntraced(function* (name: Id.PoolName) {
      const all = yield* sent(Stream.runCollect(pools.list))
      return all.find((pool) => pool.name === name) ?? (yield* noSuchPool(name))
    })

    return handlers.handleAll({
      list: () => sent(Stream.runCollect(pools.list)),
      get: ({ params }) => get(params.name),
      open: ({ payload }) =>
        Effect.gen(function* () {
          const settled = yield* sent(
            Effect.scoped(Effect.flatMap(pools.open(launchSpec(payload)), (pool) => pool.settled))
          )
          return { pool: yield* get(payload.name), ...settled, busy: [] }
        }),
      resize: ({ params, payload }) =>
        Effect.gen(function* () {
          const { size, ...options } = launchSpec(payload)
          const resized = yield* sent(pools.resize(params.name, size, options))
          return { pool: yield* get(params.name), ...resized }
        }),
      usage: ({ params }) => sent(store.poolUsage(params.name)),
      close: ({ params }) => sent(pools.close(params.name))
    })
  })
)
