/**
 * Connections to the loopback of a sandbox that has its own network namespace.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import { Duplex, type Readable, type Writable } from "node:stream"
import * as HostProcess from "../../host/HostProcess.ts"
import { PortClosed } from "../../host/tcp.ts"
import type { SandboxRuntime } from "../SandboxRuntime.ts"
import { nodePath } from "./mounts.ts"

// Copies between its stdio and the port. Writes "open" to stderr once connected.
const relay = `
const socket = require("net").connect({ host: "localhost", port: Number(process.argv[1]), allowHalfOpen: true, noDelay: true });
socket.on("error", () => process.exit(7)).on("close", () => process.exit(0));
socket.on("connect", () => { process.stderr.write("open\\n"); process.stdin.pipe(socket); socket.pipe(process.stdout) });
process.stdout.on("error", () => process.exit(0));`

/** Joins a readable and a writable into one duplex stream. */
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
 * Connects to a port of the sandbox's own loopback for the duration of the scope, through a process in the sandbox.
 * Fails with `PortClosed`.
 */
export const connectWithin = Effect.fnUntraced(function* (start: SandboxRuntime["start"], port: number) {
  const closed = new PortClosed({ port })
  const running = yield* Effect.acquireRelease(
    Effect.mapError(
      start({ argv: [nodePath, "-e", relay, `${port}`], env: {}, cwd: "/", stdin: true }),
      () => closed
    ),
    (process) => Effect.andThen(process.signal("SIGKILL"), process.release)
  )
  const word = yield* HostProcess.firstLine(running.stderr)
  if (word !== "open" || running.stdin === undefined) return yield* closed
  return joined(running.stdout, running.stdin)
})
