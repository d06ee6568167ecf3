import { Id, type SandboxError } from "@remote-agent/domain"
import type { E2bSandboxes } from "@remote-agent/sandbox"
import { Effect, Redacted, Result, Schedule } from "effect"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"

/** A request as it arrived at the server. */
export interface Arrived {
  readonly method: string
  readonly path: string
  readonly headers: Http.IncomingHttpHeaders
  readonly body: Uint8Array<ArrayBuffer>
}

/**
 * The response to a client: a complete one, one whose connection breaks after its body, a connection that is reset before
 * any data, or no response until the client gives up.
 */
export type Answer =
  | {
      readonly _tag: "Reply" | "Cut"
      readonly status: number
      readonly headers?: Readonly<Record<string, string>> | undefined
      readonly body?: string | Uint8Array | ReadableStream<Uint8Array> | undefined
    }
  | { readonly _tag: "Reset" }
  | { readonly _tag: "Silence" }

/** Chooses the response to a request; `index` counts from 0. */
export type Respond = (arrived: Arrived, index: number) => Answer | Promise<Answer>

export const reply = (
  status: number,
  body?: string | Uint8Array | ReadableStream<Uint8Array>,
  headers?: Readonly<Record<string, string>>
): Answer => ({ _tag: "Reply", status, body, headers })

export const json = (status: number, body: unknown, headers?: Readonly<Record<string, string>>): Answer =>
  reply(status, JSON.stringify(body), { "content-type": "application/json", ...headers })

/** A refusal in the form of E2B's API. */
export const refusal = (status: number, headers?: Readonly<Record<string, string>>): Answer =>
  json(status, { code: status, message: `refused with ${status}` }, headers)

export const html = (status: number): Answer =>
  reply(status, "<html>\n<body>proxy</body></html>", { "content-type": "text/html" })

export const reset: Answer = { _tag: "Reset" }
export const silence: Answer = { _tag: "Silence" }

const bodyOf = async (request: Http.IncomingMessage): Promise<Uint8Array<ArrayBuffer>> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of request) chunks.push(chunk as Uint8Array)
  return new Uint8Array(Buffer.concat(chunks))
}

const pour = async (body: ReadableStream<Uint8Array>, response: Http.ServerResponse): Promise<void> => {
  for await (const chunk of body) {
    if (response.closed) return
    response.write(chunk)
  }
}

const send = async (answer: Answer, response: Http.ServerResponse): Promise<void> => {
  if (answer._tag === "Silence") return
  if (answer._tag !== "Reset") {
    response.writeHead(answer.status, answer.headers)
    response.flushHeaders()
    if (answer.body instanceof ReadableStream) await pour(answer.body, response)
    else await new Promise<void>((resolve) => response.write(answer.body ?? "", () => resolve()))
  }
  if (answer._tag === "Reply") response.end()
  else response.socket?.resetAndDestroy()
}

/** A server on a free loopback port that ends with the scope, and the requests it has received. */
export const serve = Effect.fnUntraced(function* (respond: Respond) {
  const arrived: Array<Arrived> = []
  const answer = async (request: Http.IncomingMessage, response: Http.ServerResponse) => {
    const { headers, method = "", url: path = "" } = request
    const one: Arrived = { method, path, headers, body: await bodyOf(request) }
    const index = arrived.push(one) - 1
    await send(await respond(one, index), response)
  }
  const server = Http.createServer((request, response) => {
    // The other side of a proxy has closed its connection.
    answer(request, response).catch(() => response.socket?.resetAndDestroy())
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, arrived }
})

/** The address of a loopback port without a listener. */
export const deadUrl = Effect.map(Effect.scoped(serve(() => silence)), ({ url }) => url)

const ofTheHop = new Set(["host", "connection", "content-length", "transfer-encoding", "accept-encoding"])

/** Forwards a request to another server, and streams its response. */
export const forward = async (url: string, { body, headers, method, path }: Arrived): Promise<Answer> => {
  const kept = Object.entries(headers).flatMap(([name, value]): Array<[string, string]> =>
    value === undefined || ofTheHop.has(name) ? [] : [[name, String(value)]]
  )
  const answer = await fetch(url + path, {
    method,
    headers: kept,
    ...(body.length === 0 ? {} : { body })
  })
  const type = answer.headers.get("content-type")
  const next = answer.headers.get("x-next-token")
  return reply(answer.status, answer.body ?? "", {
    ...(type === null ? {} : { "content-type": type }),
    ...(next === null ? {} : { "x-next-token": next })
  })
}

/** The id of the sandbox that a request is for; absent when it is for the API. */
export const sandboxOf = ({ headers }: Arrived): string | undefined => headers["e2b-sandbox-id"]?.toString()

/** Whether a request creates a sandbox. */
export const isCreate = (arrived: Arrived): boolean =>
  arrived.method === "POST" && arrived.path === "/v2/sandboxes"

/** Whether a request lists sandboxes. */
export const isList = (arrived: Arrived): boolean =>
  arrived.method === "GET" && arrived.path.startsWith("/v2/sandboxes")

/** Options for the server of a test: short timeouts, and no delay between retries. */
export const pointedAt = (url: string, options?: Partial<E2bSandboxes.Options>): E2bSandboxes.Options => ({
  apiKey: Redacted.make("e2b_fake_key"),
  apiUrl: url,
  sandboxUrl: url,
  retry: Schedule.recurs(2),
  createDeadline: 0,
  ...options
})

/** The reason of a failure; `none` for a success. */
export type Tag = SandboxError.Reason["_tag"] | "none"

/** The sandbox of fake servers. */
export const id = Id.SandboxId.make("isandbox")

/** The response of a fake server to a create. */
export const view = {
  sandboxID: id,
  templateID: "base",
  clientID: "fake",
  envdVersion: "0.6.13",
  envdAccessToken: "fake-token"
}

/** The fake server's description of the sandbox. */
export const detail = (state: "running" | "paused") => ({
  ...view,
  state,
  metadata: {},
  startedAt: "2030-01-01T00:00:00Z",
  endAt: "2030-01-01T01:00:00Z",
  cpuCount: 1,
  memoryMB: 1
})

/** The outcome of one call. */
export interface Outcome {
  readonly reason: Tag
  readonly isRetryable: boolean
}

/** Runs a call to its outcome. */
export const outcomeOf = <A>(effect: Effect.Effect<A, SandboxError.SandboxError>): Effect.Effect<Outcome> =>
  Effect.map(
    Effect.result(effect),
    Result.match({
      onSuccess: () => ({ reason: "none", isRetryable: false }),
      onFailure: ({ isRetryable, reason }) => ({ reason: reason._tag, isRetryable })
    })
  )
