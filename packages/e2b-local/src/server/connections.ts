/**
 * Bounds the connections of the HTTP server, so that idle ones cannot use up its file descriptors.
 *
 * A program in a sandbox that shares the network can connect to the server without a key, as any program of this machine.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as Fs from "node:fs/promises"
import type * as Http from "node:http"
import type { Socket } from "node:net"

/** Connections without a request, of clients that have not had a successful answer yet. */
const MAX_STRANGERS = 64
/** Connections without a request. The oldest is closed when there are more. */
const MAX_IDLE = 512

/** The soft limit of open files of this process. Node.js has raised it to the hard limit at its start. */
const openFilesOf = (limits: string): number => {
  const [, soft = ""] = /^Max open files\s+(\S+)/m.exec(limits) ?? []
  return /^\d+$/.test(soft) ? Number(soft) : Infinity
}

const closeOldest = (sockets: ReadonlySet<Socket>, most: number) => {
  if (sockets.size <= most) return
  const [oldest] = sockets
  oldest?.destroy()
}

/**
 * Bounds the connections of a server, before it listens.
 *
 * **Details**
 *
 * A connection counts as idle while no request is handled on it, also before its first request is complete. Half of the
 * file descriptors stay for commands and files.
 */
export const bound = Effect.fnUntraced(function* (server: Http.Server) {
  const limits = yield* Effect.option(Effect.tryPromise(() => Fs.readFile("/proc/self/limits", "utf8")))
  const files = Option.match(limits, { onNone: () => Infinity, onSome: openFilesOf })
  const served = new Map<Socket, number>()
  const known = new WeakSet<Socket>()
  const [strangers, idle] = [new Set<Socket>(), new Set<Socket>()]
  const rest = (socket: Socket) => {
    if (socket.destroyed) return
    const [set, most] = known.has(socket)
      ? ([idle, MAX_IDLE] as const)
      : ([strangers, MAX_STRANGERS] as const)
    set.add(socket)
    closeOldest(set, most)
  }
  const begin = (socket: Socket) => {
    served.set(socket, (served.get(socket) ?? 0) + 1)
    strangers.delete(socket)
    idle.delete(socket)
  }
  const finish = (socket: Socket) => {
    const left = (served.get(socket) ?? 1) - 1
    if (left > 0) return void served.set(socket, left)
    served.delete(socket)
    rest(socket)
  }
  const onRequest = ({ socket }: Http.IncomingMessage, response: Http.ServerResponse) => {
    begin(socket)
    response.once("close", () => {
      if (response.statusCode < 400) known.add(socket)
      finish(socket)
    })
  }
  yield* Effect.sync(() => {
    if (Number.isFinite(files)) server.maxConnections = Math.max(64, Math.floor(files / 2))
    server
      .on("connection", (socket: Socket) => {
        socket.once("close", () => {
          strangers.delete(socket)
          idle.delete(socket)
          served.delete(socket)
        })
        rest(socket)
      })
      .on("request", onRequest)
      .on("checkContinue", onRequest)
      .on("upgrade", ({ socket }: Http.IncomingMessage) => begin(socket))
  })
})
