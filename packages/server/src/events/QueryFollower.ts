import type { Id } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Context, Effect, FiberMap, Layer, Stream } from "effect"

/**
 * Follows queries to their end, so that their results are stored although no client reads them.
 *
 * **Details**
 *
 * A query runs in its sandbox, whatever becomes of this process. Queries that run when the server starts are followed,
 * too: those of an earlier server that was stopped or killed.
 *
 * @category services
 * @since 0.2.0
 */
export class QueryFollower extends Context.Service<
  QueryFollower,
  {
    /** Follows a query. Returns at once. Does nothing when it is followed already. */
    readonly follow: (id: Id.QueryId) => Effect.Effect<void>
  }
>()("@remote-agent/server/QueryFollower") {}

/**
 * Follows queries until the layer is closed, which cancels none of them.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<QueryFollower, never, Orchestrator.Orchestrator> = Layer.effect(
  QueryFollower,
  Effect.gen(function* () {
    const { queries } = yield* Orchestrator.Orchestrator
    const fibers = yield* FiberMap.make<Id.QueryId>()

    const follow = Effect.fn("QueryFollower.follow")((id: Id.QueryId) =>
      Effect.asVoid(
        FiberMap.run(
          fibers,
          id,
          Effect.flatMap(queries.get(id), (handle) => Stream.runDrain(handle.events())).pipe(
            Effect.catch((error) => Effect.logWarning("A query can no longer be followed", { id }, error))
          ),
          { onlyIfMissing: true }
        )
      )
    )

    yield* queries.list({ status: ["queued", "running"] }).pipe(
      Stream.runForEach(({ id }) => follow(id)),
      Effect.catch((error) => Effect.logWarning("Running queries could not be listed", error))
    )
    return QueryFollower.of({ follow })
  })
)
