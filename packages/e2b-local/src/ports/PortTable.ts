/**
 * How a request says that it is for a server in a sandbox: by a host name `{port}-{id}.localhost`, as the SDK's
 * `getHost` gives it here, or by the two headers with which E2B tells sandboxes behind one address apart.
 *
 * @since 0.1.0
 */
import { Option } from "effect"
import type { IncomingHttpHeaders } from "node:http"

/** The port at which the routes of the sandbox itself are, as at E2B. */
const ENVD_PORT = 49983

/** A server in a sandbox. */
export interface Target {
  readonly sandboxId: string
  readonly port: number
  /** Whether the host name said so, which a browser can do. */
  readonly byName: boolean
}

const isPort = (port: number) => Number.isInteger(port) && port > 0 && port < 65_536

/** Where a request is to go; none when it is for this server itself. */
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

/** Whether a web page may send it: only one that the same server in the same sandbox gave out. */
export const isFromItself = (target: Target, headers: IncomingHttpHeaders): boolean =>
  headers.origin === undefined ||
  (target.byName && headers.origin.toLowerCase() === `http://${headers.host ?? ""}`.toLowerCase())

/** What is for this server alone, and no business of a program in a sandbox. */
const ours = new Set([
  "e2b-sandbox-id",
  "e2b-sandbox-port",
  "e2b-traffic-access-token",
  "x-access-token",
  "x-api-key"
])

/** The headers that go on to the server in the sandbox, by name and value in turn. */
export const forwarded = (target: Target, rawHeaders: ReadonlyArray<string>): Array<string> =>
  rawHeaders.flatMap((name, at) => {
    if (at % 2 === 1 || ours.has(name.toLowerCase())) return []
    const value = rawHeaders[at + 1] ?? ""
    return [name, name.toLowerCase() === "host" && !target.byName ? `localhost:${target.port}` : value]
  })
