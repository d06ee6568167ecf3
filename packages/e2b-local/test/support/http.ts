/** Requests to a server that the SDK does not send. */
import { Effect } from "effect"
import type { Sandbox } from "e2b"
import * as Http from "node:http"
import { sdk, type SdkFailed, Server } from "./support.ts"

/** A response with its whole body. */
export interface Reply {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
  readonly bytes: Buffer
}

/** Options of a request. */
export interface Options {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly agent?: Http.Agent
}

/** Sends one request to the server, by default on a connection of its own. */
export const send = (
  path: string,
  { agent, body, headers, method = "GET" }: Options = {}
): Effect.Effect<Reply, SdkFailed, Server> =>
  Effect.flatMap(Server, ({ url }) =>
    sdk(
      () =>
        new Promise<Reply>((resolve, reject) => {
          const request = Http.request(
            url + path,
            { method, agent: agent ?? false, headers: { ...headers } },
            (response) => {
              const chunks: Array<Buffer> = []
              response.on("data", (chunk: Buffer) => chunks.push(chunk))
              response.on("error", reject)
              response.on("end", () =>
                resolve({
                  status: response.statusCode ?? 0,
                  headers: response.headers,
                  text: Buffer.concat(chunks).toString(),
                  bytes: Buffer.concat(chunks)
                })
              )
            }
          )
          request.on("error", reject)
          request.end(body)
        })
    )
  )

/** A request to the control plane with the API key. A body that is not a string is sent as JSON. */
export const api = (method: string, path: string, body?: unknown): Effect.Effect<Reply, SdkFailed, Server> =>
  Effect.flatMap(Server, ({ apiKey }) =>
    send(path, {
      method,
      headers: { "x-api-key": apiKey, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
    })
  )

/** The headers of requests into a sandbox. */
export const envdHeaders = (
  box: Sandbox
): Effect.Effect<Readonly<Record<string, string>>, SdkFailed, Server> =>
  Effect.map(api("GET", `/sandboxes/${box.sandboxId}`), ({ text }) => ({
    "e2b-sandbox-id": box.sandboxId,
    "x-access-token": String(JSON.parse(text).envdAccessToken)
  }))

/** A unary call of the Connect protocol. */
export const call = (
  box: Sandbox,
  name: string,
  message: unknown,
  headers: Readonly<Record<string, string>> = {}
): Effect.Effect<Reply, SdkFailed, Server> =>
  Effect.flatMap(envdHeaders(box), (own) =>
    send(`/${name}`, {
      method: "POST",
      headers: { ...own, "content-type": "application/json", ...headers },
      body: JSON.stringify(message)
    })
  )

/** An envelope of the Connect protocol. */
export const envelope = (message: unknown, flags = 0): Buffer => {
  const json = Buffer.from(JSON.stringify(message))
  const header = Buffer.alloc(5)
  header.writeUInt8(flags)
  header.writeUInt32BE(json.length, 1)
  return Buffer.concat([header, json])
}

/** The messages in a body of envelopes. */
const messagesOf = (bytes: Buffer): ReadonlyArray<Record<string, unknown>> => {
  const messages: Array<Record<string, unknown>> = []
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    messages.push(JSON.parse(bytes.toString("utf8", at + 5, end)))
    at = end
  }
  return messages
}

/** A streaming call of the Connect protocol. Succeeds with its messages; the last one is the end of the stream. */
export const stream = (
  box: Sandbox,
  name: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {}
): Effect.Effect<
  { readonly status: number; readonly messages: ReadonlyArray<Record<string, unknown>> },
  SdkFailed,
  Server
> =>
  Effect.flatMap(envdHeaders(box), (own) =>
    Effect.map(
      send(`/${name}`, {
        method: "POST",
        headers: { ...own, "content-type": "application/connect+json", ...headers },
        body
      }),
      ({ bytes, status }) => ({ status, messages: messagesOf(bytes) })
    )
  )
