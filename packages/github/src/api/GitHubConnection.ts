import type { RemoteAgentConfig } from "@remote-agent/domain"
import type { Duration, Redacted } from "effect"
import type { Network } from "../network/Network.ts"

/**
 * The credential shown to GitHub: none, a token, or an installation of a GitHub App.
 *
 * @category models
 * @since 0.1.0
 */
export type Credential =
  | { readonly _tag: "none" }
  | { readonly _tag: "token"; readonly token: Redacted.Redacted }
  | {
      readonly _tag: "app"
      readonly appId: number
      readonly installationId: number
      /** The text of the .pem file. */
      readonly privateKey: Redacted.Redacted
    }

/**
 * The address of GitHub, the credential for it, and the time limits of calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  readonly credential: Credential
  /** Default: `https://api.github.com`. For Enterprise Server: `https://host/api/v3`. */
  readonly apiUrl?: string | undefined
  /** The `user-agent` header. Default: `remote-agent`. */
  readonly userAgent?: string | undefined
  /** The proxies and certificates. Default: none, and those of Node.js. */
  readonly network?: Network | undefined
  /** The time limit of one request. Default: 30 seconds. */
  readonly requestTimeout?: Duration.Input | undefined
  /** How long a call may wait in all, for rate limits and between attempts. Default: 1 minute. */
  readonly retryWindow?: Duration.Input | undefined
}

/**
 * Reads the connection from the settings: a GitHub App if one is set, else a token, else no credential.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = (config: RemoteAgentConfig.Values): Connection => {
  const {
    GITHUB_API_URL: apiUrl,
    GITHUB_APP_ID: appId,
    GITHUB_APP_INSTALLATION_ID: installationId,
    GITHUB_APP_PRIVATE_KEY: privateKey,
    GITHUB_TOKEN: token
  } = config
  if (appId !== undefined && installationId !== undefined && privateKey !== undefined) {
    return { apiUrl, credential: { _tag: "app", appId, installationId, privateKey } }
  }
  return { apiUrl, credential: token === undefined ? { _tag: "none" } : { _tag: "token", token } }
}
