/**
 * Connections to ports of the loopback, of the host or of a sandbox with a network of its own.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import * as Net from "node:net"
import { Duplex, type Readable, type Writable } from "node:stream"
import { RpcError } from "../envd/ConnectProtocol.ts"
import * as HostProcess from "./HostProcess.ts"
import * as Layout from "../isolation/namespace/mounts.ts"
import type { SandboxRuntime } from "../isolation/SandboxRuntime.ts"

const closed = (port: number) => new RpcError({ code: "unavailable", message: `port ${port} is not open` })

/** A connection to a port of the host's loopback, for the length of the scope. Fails with `unavailable`. */
export const connect = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<Duplex, RpcError>((resume) => {
      const socket = Net.connect({ host: "localhost", port, noDelay: true })
      const refuse = () => resume(Effect.fail(closed(port)))
      socket.once("error", refuse).once("connect", () => {
        // What breaks later ends the exchange by closing it.
        socket.off("error", refuse).on("error", () => {})
        resume(Effect.succeed(socket))
      })
      return Effect.sync(() => socket.destroy())
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

// Copies between its own input and output and the port; says so when it is open.
const relay = `
const socket = require("net").connect({ host: "localhost", port: Number(process.argv[1]), allowHalfOpen: true, noDelay: true });
socket.on("error", () => process.exit(7)).on("close", () => process.exit(0));
socket.on("connect", () => { process.stderr.write("open\\n"); process.stdin.pipe(socket); socket.pipe(process.stdout) });
process.stdout.on("error", () => process.exit(0));`

/** One stream of what is read from the one and written to the other. */
const joined = (from: Readable, to: Writable): Duplex => {
  const duplex = new Duplex({
    read: () => void from.resume(),
    write: (chunk, _, done) => void to.write(chunk, done),
    final: (done) => void to.end(done)
  })
  const end = () => void (duplex.destroyed || duplex.readableEnded || duplex.push(null))
  HostProcess.takeOver(from)
    .on("data", (chunk) => {
      if (!duplex.destroyed && !duplex.push(chunk)) from.pause()
    })
    .once("end", end)
    .once("close", end)
  return duplex.on("error", () => {})
}

/**
 * A connection to a port of a sandbox's own loopback, by a process that runs in it for the length of the scope. Fails
 * with `unavailable`.
 */
export const connectWithin = Effect.fnUntraced(function* (start: SandboxRuntime["start"], port: number) {
  const running = yield* Effect.acquireRelease(
    start({ argv: [Layout.nodePath, "-e", relay, `${port}`], env: {}, cwd: "/", stdin: true }),
    (process) => Effect.andThen(process.signal("SIGKILL"), process.release)
  )
  const word = yield* HostProcess.firstLine(running.stderr)
  if (word !== "open" || running.stdin === undefined) return yield* closed(port)
  return joined(running.stdout, running.stdin)
})
