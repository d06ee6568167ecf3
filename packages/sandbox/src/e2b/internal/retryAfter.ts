/** The HTTP status and the `retry-after` header of a response, which E2B's SDK does not pass on. */
import { Duration } from "effect"
import { AsyncLocalStorage } from "node:async_hooks"
import { subscribe } from "node:diagnostics_channel"

/** The response to one call. */
export interface ResponseInfo {
  /** The status of the last response; absent when there was none. */
  status?: number
  /** How long the response asked to wait. */
  retryAfter?: Duration.Duration
}

/** Parses a `retry-after` header: seconds, or a date. `now` is in milliseconds since 1970. */
export const parse = (value: string, now: number): Duration.Duration | undefined => {
  const text = value.trim()
  if (/^\d{1,7}$/.test(text)) return Duration.seconds(Number(text))
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Duration.millis(Math.max(0, date - now))
}

// A fiber cannot carry this into the SDK, which runs outside of Effect.
const calls = new AsyncLocalStorage<ResponseInfo>()
const requests = new WeakMap<object, ResponseInfo>()
let isSubscribed = false

interface Message {
  readonly request: object
  readonly response?: { readonly statusCode: number; readonly headers: ReadonlyArray<Buffer> }
}

// The SDK uses undici, which publishes its requests on these channels.
const listen = () => {
  if (isSubscribed) return
  isSubscribed = true
  subscribe("undici:request:create", (message) => {
    const info = calls.getStore()
    if (info !== undefined) requests.set((message as Message).request, info)
  })
  subscribe("undici:request:headers", (message) => {
    const { request, response } = message as Message
    const info = requests.get(request)
    if (info === undefined || response === undefined) return
    info.status = response.statusCode
    delete info.retryAfter
    const names = response.headers.map(String)
    const at = names.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === "retry-after")
    const after = parse(names[at + 1] ?? "", Date.now())
    if (at >= 0 && after !== undefined) info.retryAfter = after
  })
}

/**
 * Runs a call of the SDK and records its response in `info`. Records nothing where the SDK does not use undici, as in
 * other runtimes than Node.
 */
export const recording = <A>(info: ResponseInfo, call: () => Promise<A>): Promise<A> => {
  listen()
  return calls.run(info, call)
}
