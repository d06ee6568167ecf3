/** The proxy and the certificates of the settings, for git. */
import { Effect, FileSystem, Redacted } from "effect"
import { trusted } from "./certificates.ts"
import { type Network, proxyFor } from "./Network.ts"

/**
 * The variables for git to reach an address. The proxy goes by the environment, as its password would be visible to all
 * users in an argument. There is no `NO_PROXY` for libcurl to read: {@link proxyFor} decides for git and for the API client.
 */
export const make = Effect.fnUntraced(function* (network: Network, address: string) {
  const proxy = proxyFor(network, address)
  const ca = yield* trusted(network)
  const variables: Record<string, string> = {}
  if (proxy !== undefined) {
    variables[address.startsWith("http:") ? "http_proxy" : "https_proxy"] = Redacted.value(proxy)
  }
  if (ca !== undefined) {
    const fs = yield* FileSystem.FileSystem
    // git takes one file, which replaces the certificates of the system.
    const file = yield* fs.makeTempFileScoped({ prefix: "remote-agent-ca-", suffix: ".pem" })
    yield* fs.writeFileString(file, ca)
    variables["GIT_SSL_CAINFO"] = file
    variables["GIT_PROXY_SSL_CAINFO"] = file
  }
  return variables
})
