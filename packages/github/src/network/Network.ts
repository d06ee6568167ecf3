import { RemoteAgentConfig } from "@remote-agent/domain"
import { Effect, Redacted } from "effect"

/**
 * The proxies and the certificates with which servers are reached. Everything is optional.
 *
 * @category models
 * @since 0.1.0
 */
export interface Network {
  /** The proxy for `https:`, `HTTPS_PROXY`. It may contain a user name and a password. */
  readonly httpsProxy?: Redacted.Redacted | undefined
  /** The proxy for `http:`, `HTTP_PROXY`. */
  readonly httpProxy?: Redacted.Redacted | undefined
  /** Hosts that are reached directly, `NO_PROXY`. */
  readonly noProxy?: string | undefined
  /** A PEM file whose certificates replace the default ones, `SSL_CERT_FILE`. */
  readonly certificates?: string | undefined
  /** A PEM file whose certificates are trusted as well, `NODE_EXTRA_CA_CERTS`. */
  readonly extraCertificates?: string | undefined
}

const names = [
  "HTTPS_PROXY",
  "https_proxy",
  "HTTP_PROXY",
  "http_proxy",
  "ALL_PROXY",
  "all_proxy",
  "NO_PROXY",
  "no_proxy",
  "SSL_CERT_FILE",
  "NODE_EXTRA_CA_CERTS"
]

/**
 * Reads the variables that other programs on this machine use, from the source of the settings. Lower case comes first,
 * as in curl; `ALL_PROXY` is used where the variable of the protocol is missing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig: Effect.Effect<Network> = Effect.gen(function* () {
  const lookup = yield* RemoteAgentConfig.Variables
  // The settings were read from the same source before.
  const find = yield* Effect.orDie(lookup(names))
  const first = (...all: ReadonlyArray<string>) =>
    all.map((name) => find(name)).find((value) => value !== undefined && Redacted.value(value) !== "")
  const text = (...all: ReadonlyArray<string>) => {
    const value = first(...all)
    return value === undefined ? undefined : Redacted.value(value)
  }
  return {
    httpsProxy: first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
    httpProxy: first("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
    noProxy: text("no_proxy", "NO_PROXY"),
    certificates: text("SSL_CERT_FILE"),
    extraCertificates: text("NODE_EXTRA_CA_CERTS")
  }
})

const defaultPort = (url: URL): string =>
  url.port === "" ? (url.protocol === "http:" ? "80" : "443") : url.port

/**
 * Whether `NO_PROXY` names the host of an address: a host name with everything below it (`example.com`, `.example.com`,
 * `*.example.com`), with a port or without, or `*` for every host.
 */
export const isDirect = (noProxy: string, url: URL): boolean => {
  const host = url.hostname.toLowerCase().replaceAll(/^\[|\]$|\.$/g, "")
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === "*") return true
      const [, bracketed, plain = bracketed ?? entry, port] =
        /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? []
      if (port !== undefined && port !== defaultPort(url)) return false
      const name = plain.replace(/^\*?\./, "").replace(/\.$/, "")
      return name !== "" && (host === name || host.endsWith(`.${name}`))
    })
}

/**
 * The proxy for an address; none when it is reached directly.
 *
 * @category accessors
 * @since 0.1.0
 */
export const proxyFor = (
  { httpProxy, httpsProxy, noProxy = "" }: Network,
  address: string
): Redacted.Redacted | undefined => {
  const url = new URL(address)
  const proxy = url.protocol === "http:" ? httpProxy : httpsProxy
  if (proxy === undefined || isDirect(noProxy, url)) return undefined
  // `proxy:3128` is a common spelling.
  const text = Redacted.value(proxy)
  return /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? proxy : Redacted.make(`http://${text}`)
}
