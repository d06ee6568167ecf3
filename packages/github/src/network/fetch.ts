/** A `fetch` that uses the proxy and the certificates of the settings. */
import { Effect, Redacted } from "effect"
import { trusted } from "./certificates.ts"
import { type Network, proxyFor } from "./Network.ts"

/**
 * Makes a `fetch` for an address; none when Node's own will do. It comes from `undici`, which Node's own is made of,
 * because an agent works only with the `fetch` of the same version.
 */
export const make = Effect.fnUntraced(function* (network: Network, address: string) {
  const proxy = proxyFor(network, address)
  const ca = yield* trusted(network)
  if (proxy === undefined && ca === undefined) return undefined
  const { Agent, fetch, ProxyAgent } = yield* Effect.promise(() => import("undici"))
  const tls = ca === undefined ? {} : { ca }
  const dispatcher =
    proxy === undefined
      ? new Agent({ connect: tls })
      : new ProxyAgent({ uri: Redacted.value(proxy), requestTls: tls, proxyTls: tls })
  return (url: string, init: Parameters<typeof fetch>[1]) => fetch(url, { ...init, dispatcher })
})
