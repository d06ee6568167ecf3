/**
 * TCP connections to the loopback interface of the host.
 *
 * @since 0.1.0
 */
import { Effect, Schema } from "effect"
import * as Net from "node:net"
import type { Duplex } from "node:stream"

/** No program listens on the port. */
export class PortClosed extends Schema.TaggedError<PortClosed>()("PortClosed", { port: Schema.Int }) {
  override get message() {
    return `port ${this.port} is not open`
  }
}

/** Connects to a port of the loopback for the duration of the scope. */
export const connect = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<Duplex, PortClosed>((resume) => {
      const socket = Net.connect({ host: "localhost", port, noDelay: true })
      const refuse = () => resume(Effect.fail(new PortClosed({ port })))
      socket.once("error", refuse).once("connect", () => {
        // A later error closes the socket, which ends the exchange.
        socket.off("error", refuse).on("error", () => {})
        resume(Effect.succeed(socket))
      })
      return Effect.sync(() => socket.destroy())
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
