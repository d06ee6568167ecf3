import { type Id, Query } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Context, Duration, Effect, FiberMap, Layer, Schedule, Stream } from "effect"

/**
 * Follows queries to their end, so that they are run and their results are stored although no client reads them.
 *
 * **Details**
 *
 * A query runs in its sandbox, whatever becomes of this process. Queries that wait or run when the server starts are
 * followed, too, and those of another server of the same state that was stopped or killed are found within half a minute.
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

/** How often queries that nobody follows are looked for. */
const lookAgain = Duration.seconds(30)

const isTransient = ({ isRetryable }: { readonly isRetryable: boolean }) => isRetryable

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
            Effect.retry({
              while: isTransient,
              schedule: Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")])
            }),
            Effect.catch((error) => Effect.logWarning("A query can no longer be followed", { id }, error))
          ),
          { onlyIfMissing: true }
        )
      )
    )

    const open = Query.QueryStatus.literals.filter((status) => status !== "ended")
    const followAll = queries.list({ status: open }).pipe(
      Stream.runForEach(({ id }) => follow(id)),
      Effect.catch((error) => Effect.logWarning("Running queries could not be listed", error))
    )
    yield* followAll
    yield* Effect.forkScoped(Effect.schedule(followAll, Schedule.spaced(lookAgain)))
    return QueryFollower.of({ follow })
  })
)
