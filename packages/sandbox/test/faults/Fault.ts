import type { IncomingMessage } from "node:http"

/**
 * The fault of one request.
 *
 * - `Delay`: it arrives later.
 * - `ResetBefore`: the connection breaks before the server has seen it.
 * - `ResetAfter`: the server does it, and then the connection breaks.
 * - `Lost`: the server does it, the client receives nothing for some time, and then the connection breaks.
 * - `Duplicate`: it arrives twice; the client receives the second response.
 * - `Refuse`: a gateway refuses it, with or without `retry-after` in seconds.
 * - `RefuseAfter`: the server does it, and a gateway reports a failure.
 * - `Slow`: the response arrives a few bytes at a time.
 * - `Cut`: the connection breaks after some bytes of the response, inside or between events.
 * - `Before`, `After`: an effect runs before the server sees it, or after the response has started.
 */
export type Fault =
  | { readonly _tag: "None" }
  | { readonly _tag: "Delay"; readonly millis: number }
  | { readonly _tag: "ResetBefore" }
  | { readonly _tag: "ResetAfter" }
  | { readonly _tag: "Lost"; readonly millis: number }
  | { readonly _tag: "Duplicate" }
  | { readonly _tag: "Refuse"; readonly status: number; readonly retryAfter?: number | undefined }
  | { readonly _tag: "RefuseAfter"; readonly status: number }
  | { readonly _tag: "Slow"; readonly bytes: number; readonly millis: number }
  | { readonly _tag: "Cut"; readonly bytes: number }
  | { readonly _tag: "Before"; readonly act: () => Promise<unknown> }
  | { readonly _tag: "After"; readonly act: () => Promise<unknown> }

export const none: Fault = { _tag: "None" }

/** The kind of a request: an operation on sandboxes, the stream of a command, or any other operation in a sandbox. */
export type Kind =
  | "create"
  | "list"
  | "info"
  | "terminate"
  | "connect"
  | "pause"
  | "extend"
  | "stream"
  | "envd"

/** A request that passes the proxy. */
export interface Asked {
  readonly kind: Kind
  /** The number of earlier requests of its kind. */
  readonly nth: number
  /** The number of earlier requests. */
  readonly index: number
  readonly method: string
  readonly path: string
  /** The sandbox it is for; absent when it is for the API. */
  readonly sandboxId: string | undefined
}

/** The kind of a request. */
export const kindOf = ({ headers, method, url = "/" }: IncomingMessage): Kind => {
  const [path = "/"] = url.split("?")
  if (headers["e2b-sandbox-id"] !== undefined) {
    return /\/(Start|Connect|WatchDir)$/.test(path) ? "stream" : "envd"
  }
  if (path === "/v2/sandboxes") return method === "POST" ? "create" : "list"
  if (method === "DELETE") return "terminate"
  if (path.endsWith("/connect")) return "connect"
  if (path.endsWith("/pause")) return "pause"
  return path.endsWith("/timeout") ? "extend" : "info"
}

/** A pseudo-random number from 0 to 1 that is the same for the same words. */
const draw = (...words: ReadonlyArray<string | number>): number => {
  let hash = 0x811c9dc5
  for (const char of words.join("\n")) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 13), 0x297a2d39)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

const statuses = [500, 502, 503, 504]

const kinds: ReadonlyArray<(part: number, asked: Asked) => Fault> = [
  (part) => ({ _tag: "Delay", millis: Math.floor(part * 30) }),
  () => ({ _tag: "ResetBefore" }),
  () => ({ _tag: "ResetAfter" }),
  (part) => ({ _tag: "Lost", millis: 20 + Math.floor(part * 100) }),
  () => ({ _tag: "Duplicate" }),
  (part) => ({ _tag: "Refuse", status: 429, ...(part < 0.5 ? {} : { retryAfter: 1 }) }),
  (part) => ({ _tag: "Refuse", status: statuses[Math.floor(part * statuses.length)] ?? 500 }),
  (part) => ({ _tag: "RefuseAfter", status: part < 0.5 ? 502 : 504 }),
  (part) => ({ _tag: "Slow", bytes: 1 + Math.floor(part * 60), millis: 1 }),
  (part) => ({ _tag: "Cut", bytes: Math.floor(part * 200) })
]

/**
 * A schedule of faults. It is the same for the same seed and the same requests, in any order. `often` is the fraction of
 * requests with a fault.
 */
export const schedule =
  (seed: string | number, often: number) =>
  (asked: Asked): Fault => {
    const { kind, nth } = asked
    if (draw(seed, kind, nth, "whether") >= often) return none
    const fault = kinds[Math.floor(draw(seed, kind, nth, "what") * kinds.length)]
    return fault?.(draw(seed, kind, nth, "how"), asked) ?? none
  }
