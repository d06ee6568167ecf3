import { createServer, connect, type Server, type Socket } from "node:net"

/** An event as it stands on the wire. */
export interface Frame {
  readonly id: string
  readonly data: string
}

/** The whole frames of a text, and what is left behind the last. */
const framesOf = (text: string): { readonly frames: ReadonlyArray<Frame>; readonly rest: string } => {
  const parts = text.split("\n\n")
  const rest = parts.pop() ?? ""
  const frames = parts.flatMap((part) => {
    // Lines end at a line feed only: other characters that some count as line breaks are content.
    const valueOf = (name: string) =>
      part.split("\n").flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : []))
    const [id] = valueOf("id")
    return id === undefined ? [] : [{ id, data: valueOf("data").join("\n") }]
  })
  return { frames, rest }
}

/** How a client follows a query. */
export interface Followed {
  readonly url: string
  readonly token: string
  /** Whether a frame is the last. */
  readonly isLast: (frame: Frame) => boolean
  /** Called for each whole frame. */
  readonly onFrame?: (frame: Frame) => void
  /** How long a client pauses before it connects again. */
  readonly pause?: number
}

/** Reads a stream behind its last whole frame until it ends or is cut, and adds the whole frames that come. */
const readOnce = async (all: Array<Frame>, { onFrame = () => undefined, token, url }: Followed) => {
  const headers: Record<string, string> = { authorization: `Bearer ${token}` }
  const last = all.at(-1)
  if (last !== undefined) headers["last-event-id"] = last.id
  const response = await fetch(url, { headers })
  if (response.status !== 200 || response.body === null) return void (await response.text())
  let text = ""
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const { frames, rest } = framesOf(text + chunk)
    text = rest
    all.push(...frames)
    for (const frame of frames) onFrame(frame)
  }
}

/** Follows a query to its end, as a client without a library does: it connects again behind its last whole frame. */
export const follow = async (followed: Followed, all: Array<Frame> = []): Promise<ReadonlyArray<Frame>> => {
  const last = all.at(-1)
  if (last !== undefined && followed.isLast(last)) return all
  await readOnce(all, followed).catch(() => undefined)
  // It was cut, or the server is away.
  const end = all.at(-1)
  if (end === undefined || !followed.isLast(end)) {
    await new Promise((resolve) => setTimeout(resolve, followed.pause ?? 5))
  }
  return follow(followed, all)
}

/** A proxy that cuts connections. */
export interface Cutter {
  readonly url: string
  /** How many connections were cut. */
  readonly cuts: () => number
  readonly close: () => Promise<void>
}

/** Passes bytes on to a server. Each connection gets the next number of bytes, is cut behind them, and later ones are not. */
export const cutter = (target: string, bytes: Iterable<number>): Promise<Cutter> => {
  const { hostname, port } = new URL(target)
  const limits = bytes[Symbol.iterator]()
  const sockets = new Set<Socket>()
  let cut = 0
  const proxy: Server = createServer((client) => {
    const next = limits.next()
    let left = next.done === true ? Number.POSITIVE_INFINITY : next.value
    const upstream = connect(Number(port), hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on("error", () => socket.destroy())
      socket.on("close", () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream)
    upstream.on("data", (chunk: Buffer) => {
      const part = chunk.subarray(0, Math.min(chunk.length, left))
      left -= part.length
      if (left > 0) return void client.write(part)
      cut += 1
      upstream.destroy()
      client.end(part, () => client.destroy())
    })
  })
  return new Promise((resolve) => {
    proxy.listen(0, "127.0.0.1", () => {
      const address = proxy.address()
      const own = typeof address === "object" && address !== null ? address.port : 0
      resolve({
        url: `http://127.0.0.1:${own}`,
        cuts: () => cut,
        close: () =>
          new Promise((closed) => {
            for (const socket of sockets) socket.destroy()
            proxy.close(() => closed())
          })
      })
    })
  })
}
