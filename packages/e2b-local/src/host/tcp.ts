/**
 * TCP connections to the loopback interface of the host.
 *
 * @since 0.1.0
 */
import { Effect, Schema } from "effect"
import * as Fs from "node:fs/promises"
import * as Net from "node:net"
import type { Duplex } from "node:stream"

/** No program listens on the port. */
export class PortClosed extends Schema.TaggedError<PortClosed>()("PortClosed", { port: Schema.Int }) {
  override get message() {
    return `port ${this.port} is not open`
  }
}

/** Connects to a port of one address for the duration of the scope. */
const connect = (host: string, port: number) =>
  Effect.acquireRelease(
    Effect.callback<Duplex, PortClosed>((resume) => {
      const socket = Net.connect({ host, port, noDelay: true })
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

/** A socket that listens. */
interface Listener {
  /** As the kernel writes it: words of four bytes in hex. */
  readonly address: string
  readonly uid: number
  readonly inode: string
}

const LISTENS = "0A"

/** The sockets of `/proc/net/tcp` or `tcp6` that listen on a port. */
const parseListeners = (table: string, port: number): ReadonlyArray<Listener> =>
  table
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local = "", , state, , , , uid = "", , inode = ""] = line.trim().split(/\s+/)
      const [address = "", hex = ""] = local.split(":")
      return state === LISTENS && Number.parseInt(hex, 16) === port
        ? [{ address, uid: Number(uid), inode }]
        : []
    })

/** The address at which this host reaches a listener. Undefined when it is not on the loopback. */
const reachable = (address: string): string | undefined => {
  if (address === "00000000") return "127.0.0.1"
  if (/^[0-9A-F]{6}7F$/i.test(address)) {
    return (address.match(/../g) ?? [])
      .toReversed()
      .map((byte) => Number.parseInt(byte, 16))
      .join(".")
  }
  if (/^0{32}$/.test(address) || /^0{24}01000000$/.test(address)) return "::1"
  return undefined
}

const read = (path: string) => Fs.readFile(path, "utf8").catch(() => "")

const socketsOf = async (pid: number): Promise<ReadonlyArray<string>> => {
  const folder = `/proc/${pid}/fd`
  const names = await Fs.readdir(folder).catch(() => [])
  const links = await Promise.all(names.map((name) => Fs.readlink(`${folder}/${name}`).catch(() => "")))
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [])
}

/** How the sockets of a sandbox are recognised: by uids that nothing else has, or by its processes. */
export interface Owner {
  readonly uids: ReadonlyArray<number>
  readonly pids: Effect.Effect<ReadonlyArray<number>>
}

const firstOwned = Effect.fnUntraced(function* (listeners: ReadonlyArray<Listener>, { pids, uids }: Owner) {
  const byUid = listeners.find(({ uid }) => uids.includes(uid))
  if (byUid !== undefined || listeners.length === 0) return byUid
  const wanted = new Set(listeners.map(({ inode }) => inode))
  for (const pid of yield* pids) {
    const found = (yield* Effect.promise(() => socketsOf(pid))).find((inode) => wanted.has(inode))
    if (found !== undefined) return listeners.find(({ inode }) => inode === found)
  }
  return undefined
})

/**
 * Connects to a port of the loopback that a process of the owner listens on, for the duration of the scope.
 *
 * **Details**
 *
 * Other services of the host are closed to the clients of a sandbox, although the sandbox shares the network. Fails with
 * `PortClosed`.
 */
export const connectOwned = Effect.fnUntraced(function* (port: number, owner: Owner) {
  const [four, six] = yield* Effect.promise(async () => {
    const tables = await Promise.all([read("/proc/net/tcp"), read("/proc/net/tcp6")])
    return tables.map((table) =>
      parseListeners(table, port).filter(({ address }) => reachable(address) !== undefined)
    )
  })
  const own = yield* firstOwned([...(four ?? []), ...(six ?? [])], owner)
  const host = own === undefined ? undefined : reachable(own.address)
  if (host === undefined) return yield* new PortClosed({ port })
  if (host !== "::1") return yield* connect(host, port)
  // A socket of both versions is listed once. Without IPv6 on the loopback it is reached by the other version.
  return yield* Effect.catch(connect(host, port), (error) =>
    (four ?? []).length === 0 ? connect("127.0.0.1", port) : Effect.fail(error)
  )
})
