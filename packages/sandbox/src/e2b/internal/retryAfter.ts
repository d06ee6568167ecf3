import { Duration } from "effect"
import { AsyncLocalStorage } from "node:async_hooks"
import { subscribe } from "node:diagnostics_channel"

/** What was heard of the answers to one call. */
export interface Heard {
  /** The status of the last answer; absent when there was none. */
  status?: number
  /** How long it said to wait. */
  retryAfter?: Duration.Duration
}

/** What a `retry-after` header says: seconds, or a date, which `now` in milliseconds makes a duration of. */
export const parse = (value: string, now: number): Duration.Duration | undefined => {
  const text = value.trim()
  if (/^\d{1,7}$/.test(text)) return Duration.seconds(Number(text))
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Duration.millis(Math.max(0, date - now))
}

const calls = new AsyncLocalStorage<Heard>()
const requests = new WeakMap<object, Heard>()
let listens = false

interface Message {
  readonly request: object
  readonly response?: { readonly statusCode: number; readonly headers: ReadonlyArray<Buffer> }
}

// undici, which the SDK speaks HTTP with, tells everybody of its requests on these channels.
const listen = () => {
  if (listens) return
  listens = true
  subscribe("undici:request:create", (message) => {
    const heard = calls.getStore()
    if (heard !== undefined) requests.set((message as Message).request, heard)
  })
  subscribe("undici:request:headers", (message) => {
    const { request, response } = message as Message
    const heard = requests.get(request)
    if (heard === undefined || response === undefined) return
    heard.status = response.statusCode
    delete heard.retryAfter
    const names = response.headers.map(String)
    const at = names.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === "retry-after")
    const after = parse(names[at + 1] ?? "", Date.now())
    if (at >= 0 && after !== undefined) heard.retryAfter = after
  })
}

/**
 * Makes a call of the SDK and hears what it does not pass on: the status, and the time that a refusal says to wait.
 * Nothing is heard where the SDK does not speak through undici, as in another runtime than Node.
 */
export const hearing = <A>(heard: Heard, call: () => Promise<A>): Promise<A> => {
  listen()
  return calls.run(heard, call)
}
