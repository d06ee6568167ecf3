import { Effect } from "effect"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { type Asked, type Fault, kindOf } from "./Fault.ts"

/** A server behind the proxy. Its key replaces the key that a client sends. */
export interface Target {
  readonly url: string
  readonly apiKey: string
}

/** Chooses the fault of a request. It is asked once for each request, in the order of their arrival. */
export type Choose = (asked: Asked) => Fault

/** A proxy between an unmodified client and a real server that injects faults. */
export interface FaultProxy {
  readonly url: string
  /** The faults so far, in order. */
  readonly told: ReadonlyArray<string>
  /** Every request that arrived. */
  readonly asked: ReadonlyArray<Asked>
  /** The number of requests without a complete response, except for those in the background. */
  readonly pending: () => number
  /** The number of client connections. A dead client has none when everything it sent has arrived. */
  readonly connections: () => number
  /** Sets the server that receives requests from now on. Without one, the server is dead and every connection breaks. */
  readonly point: (target: Target | undefined) => void
  /** Breaks every client connection, like the death of the client process, and accepts no more. */
  readonly sever: () => void
}

const ofTheHop = new Set(["host", "connection", "content-length", "transfer-encoding", "keep-alive"])

const bodyOf = async (request: Http.IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const after = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis))

const reset = (response: Http.ServerResponse) => response.socket?.resetAndDestroy()

const refuse = (response: Http.ServerResponse, status: number, retryAfter: number | undefined) => {
  response.writeHead(status, {
    "content-type": "application/json",
    ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) })
  })
  response.end(JSON.stringify({ code: status, message: `refused with ${status}` }))
}

const written = async (response: Http.ServerResponse, piece: Buffer, pause: number) => {
  await new Promise<void>((resolve) => response.write(piece, () => resolve()))
  if (pause > 0) await after(pause)
}

/** Forwards the body as it arrives: whole, a few bytes at a time, or up to the cut. */
const pour = async (answer: Http.IncomingMessage, response: Http.ServerResponse, fault: Fault) => {
  response.writeHead(
    answer.statusCode ?? 502,
    Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !ofTheHop.has(name)))
  )
  response.flushHeaders()
  // Reports a closed client connection to the server at once, not with its next data.
  response.once("close", () => answer.destroy())
  let left = fault._tag === "Cut" ? fault.bytes : Infinity
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    if (response.destroyed) return answer.destroy()
    const piece = chunk.subarray(0, Math.max(0, left))
    left -= chunk.length
    const step = fault._tag === "Slow" ? fault.bytes : piece.length
    for (let at = 0; at < piece.length; at += step) {
      // oxlint-disable-next-line no-await-in-loop -- in order, and no faster than the client reads
      await written(response, piece.subarray(at, at + step), fault._tag === "Slow" ? fault.millis : 0)
    }
    if (left <= 0) {
      answer.destroy()
      return reset(response)
    }
  }
  if (answer.complete) response.end()
  else reset(response)
}

/** The server handles the request, and its response is lost. */
const unheard = async (answer: Http.IncomingMessage) => {
  if (answer.headers["content-type"]?.startsWith("application/connect") === true) answer.destroy()
  else for await (const _ of answer);
}

/** A proxy on a free loopback port that ends with the scope. */
export const make = Effect.fnUntraced(function* (
  first: Target,
  choose: Choose,
  options: {
    /** Selects commands whose streams do not count as pending, by the body of their request; none when absent. */
    readonly background?: (body: string) => boolean
  } = {}
) {
  const agent = new Http.Agent({ keepAlive: true })
  const told: Array<string> = []
  const seen: Array<Asked> = []
  const counts = new Map<string, number>()
  let target: Target | undefined = first
  let severed = false
  let [connections, pending] = [0, 0]

  const pass = (request: Http.IncomingMessage, body: Buffer): Promise<Http.IncomingMessage> => {
    if (target === undefined) return Promise.reject(new Error("the server is dead"))
    const { apiKey, url } = target
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => !ofTheHop.has(name))
    )
    if (headers["x-api-key"] !== undefined) headers["x-api-key"] = apiKey
    return new Promise((resolve, reject) => {
      const onward = Http.request(url + request.url, {
        agent,
        method: request.method ?? "GET",
        headers: { ...headers, "content-length": body.length }
      })
      onward.once("response", resolve)
      onward.once("error", reject)
      onward.end(body)
    })
  }

  const carry = async (
    request: Http.IncomingMessage,
    response: Http.ServerResponse,
    body: Buffer,
    fault: Fault
  ): Promise<unknown> => {
    switch (fault._tag) {
      case "ResetBefore":
        return reset(response)
      case "Refuse":
        return refuse(response, fault.status, fault.retryAfter)
      case "ResetAfter":
        await unheard(await pass(request, body))
        return reset(response)
      case "RefuseAfter":
        await unheard(await pass(request, body))
        return refuse(response, fault.status, undefined)
      case "Lost":
        await unheard(await pass(request, body))
        await after(fault.millis)
        return reset(response)
      case "Duplicate":
        await unheard(await pass(request, body))
        break
      case "Delay":
        await after(fault.millis)
        break
      case "Before":
        await fault.act()
        if (severed || response.destroyed) return reset(response)
        break
      case "After": {
        const answer = await pass(request, body)
        await fault.act()
        return severed || response.destroyed ? answer.destroy() : pour(answer, response, fault)
      }
      case "None":
      case "Slow":
      case "Cut":
    }
    return pour(await pass(request, body), response, fault)
  }

  const server = Http.createServer((request, response) => {
    if (severed) return void reset(response)
    const key = kindOf(request)
    const nth = counts.get(key) ?? 0
    counts.set(key, nth + 1)
    const asked: Asked = {
      kind: key,
      nth,
      index: seen.length,
      method: request.method ?? "GET",
      path: request.url ?? "/",
      sandboxId: request.headers["e2b-sandbox-id"]?.toString()
    }
    seen.push(asked)
    const fault = choose(asked)
    if (fault._tag !== "None") told.push(`${key}#${nth} ${fault._tag}`)
    let counted = 1
    const uncount = () => {
      pending -= counted
      counted = 0
    }
    pending += counted
    bodyOf(request)
      .then((body) => {
        if (options.background?.(body.toString()) === true) uncount()
        return carry(request, response, body, fault)
      })
      // One of the two sides has closed its connection.
      .catch(() => reset(response))
      .finally(uncount)
  })
  server.keepAliveTimeout = 60_000
  server.on("connection", (socket) => {
    connections++
    socket.once("close", () => connections--)
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        agent.destroy()
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    told,
    asked: seen,
    pending: () => pending,
    connections: () => connections,
    point: (next) => {
      target = next
      if (next === undefined) server.closeAllConnections()
    },
    sever: () => {
      severed = true
      server.closeAllConnections()
    }
  }
  return proxy
})
