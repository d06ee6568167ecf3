/**
 * Recognises requests for a server in a sandbox.
 *
 * They have a host name `{port}-{id}.localhost`, which the SDK's `getHost` returns here, or the two headers with which
 * E2B selects a sandbox behind a shared address.
 *
 * @since 0.1.0
 */
import { Option } from "effect"
import type { IncomingHttpHeaders } from "node:http"

/** The port of envd in every sandbox. */
const ENVD_PORT = 49983

/** A server in a sandbox. */
export interface Target {
  readonly sandboxId: string
  readonly port: number
  /** Whether the host name selected it. A browser can do that. */
  readonly byName: boolean
}

const isPort = (port: number) => Number.isInteger(port) && port > 0 && port < 65_536

/** The target of a request. None when it is for this server itself. */
export const targetOf = (headers: IncomingHttpHeaders): Option.Option<Target> => {
  const named = /^(\d{1,5})-(i[0-9a-z]{1,40})\.localhost(?::\d{1,5})?$/i.exec(headers.host ?? "")
  const [, port, sandboxId = ""] = named ?? [
    "",
    headers["e2b-sandbox-port"]?.toString(),
    headers["e2b-sandbox-id"]?.toString()
  ]
  const target = { port: Number(port), sandboxId: sandboxId.toLowerCase(), byName: named !== null }
  return isPort(target.port) && (named !== null || target.port !== ENVD_PORT) && sandboxId !== ""
    ? Option.some(target)
    : Option.none()
}

/** Whether a web page may send the request: only a page of the same server in the same sandbox. */
export const isFromItself = (target: Target, headers: IncomingHttpHeaders): boolean =>
  headers.origin === undefined ||
  (target.byName && headers.origin.toLowerCase() === `http://${headers.host ?? ""}`.toLowerCase())

/** Headers for this server. A program in a sandbox must not see them. */
const ours = new Set([
  // Answered by this server already.
  "expect",
  "e2b-sandbox-id",
  "e2b-sandbox-port",
  "e2b-traffic-access-token",
  "x-access-token",
  "x-api-key"
])

/** The headers that are forwarded to the sandbox, as alternating names and values. */
export const forwarded = (target: Target, rawHeaders: ReadonlyArray<string>): Array<string> =>
  rawHeaders.flatMap((name, at) => {
    if (at % 2 === 1 || ours.has(name.toLowerCase())) return []
    const value = rawHeaders[at + 1] ?? ""
    return [name, name.toLowerCase() === "host" && !target.byName ? `localhost:${target.port}` : value]
  })
