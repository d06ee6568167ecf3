/**
 * Forwards HTTP requests and upgraded connections to servers in sandboxes.
 *
 * It runs before the routes of this server, because a program in a sandbox may answer on every path.
 *
 * @since 0.1.0
 */
import { Deferred, Effect, FiberSet, Option, Redacted } from "effect"
import * as Http from "node:http"
import type { Duplex } from "node:stream"
import { sameSecret } from "../api/RequestGuard.ts"
import type { Sandbox } from "../sandboxes/ManagedSandbox.ts"
import { SandboxRegistry } from "../sandboxes/SandboxRegistry.ts"
import * as PortTable from "./PortTable.ts"

/** A response of this server in place of one of a program in a sandbox. */
interface Refusal {
  readonly status: number
  readonly message: string
}

const refusal = (status: number, message: string): Refusal => ({ status, message })
const gone = refusal(502, "The sandbox was not found")

/** Connections to the ports of one sandbox at the same time. Each takes two descriptors of the server. */
const MAX_CONNECTIONS = 200

const body = (target: PortTable.Target, { message, status }: Refusal) =>
  JSON.stringify({ sandboxId: target.sandboxId, port: target.port, code: status, message })

const refuse = (response: Http.ServerResponse, target: PortTable.Target, refused: Refusal) => {
  // A complete response needs no end, and a partial one must not look complete.
  if (response.writableEnded) return
  if (response.headersSent) return void response.destroy()
  response.writeHead(refused.status, { "content-type": "application/json" })
  response.end(body(target, refused))
}

const refuseSocket = (socket: Duplex, target: PortTable.Target, refused: Refusal) => {
  const text = body(target, refused)
  socket.end(
    `HTTP/1.1 ${refused.status} ${Http.STATUS_CODES[refused.status]}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`
  )
}

/** One request and its response, until both have ended. */
const exchange = (
  target: PortTable.Target,
  request: Http.IncomingMessage,
  response: Http.ServerResponse,
  connection: Duplex
) =>
  Effect.callback<void>((resume) => {
    const upstream = Http.request({
      method: request.method ?? "GET",
      path: request.url ?? "/",
      headers: PortTable.forwarded(target, request.rawHeaders),
      setHost: false,
      // With or without an agent, Node.js would open a connection by itself.
      createConnection: () => connection
    })
    upstream.once("error", () =>
      refuse(response, target, refusal(502, "The program at this port did not answer with HTTP"))
    )
    upstream.once("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders)
      answer.pipe(response)
      answer.once("error", () => response.destroy())
    })
    response.once("close", () => resume(Effect.void))
    request.pipe(upstream)
    return Effect.sync(() => {
      upstream.destroy()
      // The client has a complete response already and may have sent its next request on the connection.
      if (!response.writableEnded) response.destroy()
    })
  })

/** An upgraded connection, until either side closes it. Its bytes are not inspected. */
const tunnel = (
  target: PortTable.Target,
  request: Http.IncomingMessage,
  socket: Duplex,
  head: Buffer,
  connection: Duplex
) =>
  Effect.callback<void>((resume) => {
    const headers = PortTable.forwarded(target, request.rawHeaders)
    const lines = headers.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${headers[at + 1] ?? ""}`] : []))
    connection.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`, "latin1")
    connection.write(head)
    connection.pipe(socket)
    socket.pipe(connection)
    connection.once("close", () => socket.destroy())
    socket.once("close", () => resume(Effect.void))
    return Effect.sync(() => socket.destroy())
  })

const allowed = (target: PortTable.Target, request: Http.IncomingMessage, sandbox: Sandbox) =>
  PortTable.isFromItself(target, request.headers) &&
  Option.match(sandbox.trafficToken, {
    onNone: () => true,
    onSome: (token) =>
      sameSecret(request.headers["e2b-traffic-access-token"]?.toString(), Redacted.value(token))
  })

/**
 * Takes requests for sandboxes from the listeners that a server has now. Resumes a paused sandbox that was created with
 * `autoResume`.
 */
export const install = Effect.fnUntraced(function* (server: Http.Server) {
  const registry = yield* SandboxRegistry
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  const connections = new Map<string, number>()

  /** Counts a connection to a sandbox for the duration of the scope. */
  const admit = (id: string) =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        const open = connections.get(id) ?? 0
        if (open >= MAX_CONNECTIONS) return Effect.fail(refusal(429, "The sandbox has too many connections"))
        connections.set(id, open + 1)
        return Effect.void
      }),
      () =>
        Effect.sync(() => {
          const left = (connections.get(id) ?? 1) - 1
          if (left > 0) connections.set(id, left)
          else connections.delete(id)
        })
    )

  const reach = Effect.fnUntraced(function* (
    target: PortTable.Target,
    request: Http.IncomingMessage,
    use: (connection: Duplex) => Effect.Effect<void>
  ) {
    const find = Effect.mapError(registry.get(target.sandboxId), () => gone)
    if (!allowed(target, request, yield* find)) {
      return yield* Effect.fail(
        refusal(403, "requests of other web pages and requests without the token are refused")
      )
    }
    yield* admit(target.sandboxId)
    yield* Effect.mapError(registry.wake(target.sandboxId), () => gone)
    const sandbox = yield* find
    if (sandbox.state !== "running") return yield* Effect.fail(gone)
    const connection = yield* Effect.mapError(sandbox.runtime.connect(target.port), () =>
      refusal(502, "The sandbox is running but port is not open")
    )
    yield* Effect.raceFirst(
      use(connection),
      Effect.mapError(Deferred.await(sandbox.stopped), () => gone)
    )
  }, Effect.scoped)

  const onRequest = (
    target: PortTable.Target,
    request: Http.IncomingMessage,
    response: Http.ServerResponse
  ) =>
    reach(target, request, (connection) => exchange(target, request, response, connection)).pipe(
      Effect.catch((refused) => Effect.sync(() => refuse(response, target, refused)))
    )

  const onUpgrade = (
    target: PortTable.Target,
    request: Http.IncomingMessage,
    socket: Duplex,
    head: Buffer
  ) => {
    socket.on("error", () => {})
    return reach(target, request, (connection) => tunnel(target, request, socket, head, connection)).pipe(
      Effect.catch((refused) => Effect.sync(() => refuseSocket(socket, target, refused)))
    )
  }

  yield* Effect.sync(() => {
    const requests = server.listeners("request")
    server.removeAllListeners("request")
    server.on("request", (request, response) => {
      const target = PortTable.targetOf(request.headers)
      if (Option.isSome(target)) run(onRequest(target.value, request, response))
      else for (const listener of requests) listener.call(server, request, response)
    })
    // A client that sends a large body may first ask whether it is welcome, which is another event.
    const expectations = server.listeners("checkContinue")
    server.removeAllListeners("checkContinue")
    server.on("checkContinue", (request, response) => {
      const target = PortTable.targetOf(request.headers)
      if (Option.isSome(target)) {
        response.writeContinue()
        run(onRequest(target.value, request, response))
      } else for (const listener of expectations) listener.call(server, request, response)
    })
    const upgrades = server.listeners("upgrade")
    server.removeAllListeners("upgrade")
    server.on("upgrade", (request, socket, head) => {
      const target = PortTable.targetOf(request.headers)
      if (Option.isSome(target)) run(onUpgrade(target.value, request, socket, head))
      else for (const listener of upgrades) listener.call(server, request, socket, head)
    })
  })
})
