/**
 * Signed `/files` URLs: whoever holds one may read or write that one path, until it expires.
 *
 * @since 0.1.0
 */
import { Clock, Effect, Redacted } from "effect"
import { HttpServerRequest } from "effect/http"
import * as Crypto from "node:crypto"
import { ApiError } from "../api/ApiError.ts"
import * as Envd from "./Envd.ts"
import { sameSecret } from "../api/RequestGuard.ts"
import type { Sandbox } from "../sandboxes/Sandbox.ts"
import { SandboxRegistry } from "../sandboxes/SandboxRegistry.ts"

/** What a URL allows. */
export type Operation = "read" | "write"

/** What a signature is made of; the path and the user are those of the URL, not resolved ones. */
export interface Signed {
  readonly path: string
  readonly operation: Operation
  readonly user: string
  readonly token: Redacted.Redacted
  /** Seconds since the epoch, in decimal digits. */
  readonly expiration?: string | undefined
}

/** The signature as E2B makes it. */
export const sign = ({ expiration, operation, path, token, user }: Signed): string => {
  const parts = [
    path,
    operation,
    user,
    Redacted.value(token),
    ...(expiration === undefined ? [] : [expiration])
  ]
  return `v1_${Crypto.createHash("sha256").update(parts.join(":")).digest("base64").replace(/=+$/, "")}`
}

const refused = (message: string) => new ApiError({ status: 401, message })

/**
 * Admits a request by its access token, else by the signature in its URL. A URL that the SDK signed names no
 * sandbox when all sandboxes share one address: then it is the sandbox whose token made the signature. Fails with
 * 401 when the signature is missing, wrong, for something else, or expired.
 */
export const admit = (operation: Operation): Envd.Admit =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (request.headers["x-access-token"] !== undefined) return yield* Envd.byToken
    const registry = yield* SandboxRegistry
    const { searchParams } = new URL(request.url, "http://localhost")
    const signature = searchParams.get("signature")
    if (signature === null) return yield* refused("the access token and the signature are missing")
    const expiration = searchParams.get("signature_expiration") ?? undefined
    const id = request.headers["e2b-sandbox-id"]
    const candidates: ReadonlyArray<Sandbox> =
      id === undefined ? yield* registry.list : [yield* Envd.find(id)]
    // Compared with all of them, so that the time tells nothing.
    const matching = candidates.filter(({ token }) =>
      sameSecret(
        signature,
        sign({
          path: searchParams.get("path") ?? "",
          operation,
          user: searchParams.get("username") ?? "",
          token,
          expiration
        })
      )
    )
    const sandbox = matching.at(0)
    if (sandbox === undefined) return yield* refused("the signature is not valid for this request")
    if (expiration !== undefined && !(Number(expiration) * 1000 >= (yield* Clock.currentTimeMillis))) {
      return yield* refused("the signature has expired")
    }
    return sandbox.id
  })
