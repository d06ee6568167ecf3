import { Context, Deferred, Effect, Layer, Stream } from "effect"

/**
 * The end of a server.
 *
 * **Details**
 *
 * A server that is told to stop finishes what it answers. Streams of events would keep it, so they end; clients continue
 * behind the last event, at this server when it is back or at another with the same state.
 *
 * @category services
 * @since 0.2.0
 */
export class Draining extends Context.Service<
  Draining,
  {
    /** Ends all streams, and makes the server not ready. */
    readonly begin: Effect.Effect<void>
    readonly isDraining: Effect.Effect<boolean>
    /** Settles when the server is told to stop. */
    readonly begun: Effect.Effect<void>
    /** A stream that ends when the server is told to stop. */
    readonly until: <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.Stream<A, E, R>
  }
>()("@remote-agent/server/Draining") {}

/**
 * A server that has not been told to stop.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Draining> = Layer.effect(
  Draining,
  Effect.map(Deferred.make<void>(), (told) =>
    Draining.of({
      begin: Effect.asVoid(Deferred.succeed(told, undefined)),
      isDraining: Deferred.isDone(told),
      begun: Deferred.await(told),
      until: Stream.interruptWhen(Deferred.await(told))
    })
  )
)
