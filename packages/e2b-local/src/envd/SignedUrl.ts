/**
 * Signed `/files` URLs. A URL allows reading or writing one path until it expires.
 *
 * @since 0.1.0
 */
import { Clock, Effect, Redacted } from "effect"
import { HttpServerRequest } from "effect/http"
import * as Crypto from "node:crypto"
import { refuse } from "../api/ApiError.ts"
import { sameSecret } from "../api/RequestGuard.ts"
import * as Envd from "./Envd.ts"

/** The operation that a URL allows. */
export type Operation = "read" | "write"

/** The parts of a signature. The path and the user are those of the URL, not resolved ones. */
export interface Signed {
  readonly path: string
  readonly operation: Operation
  readonly user: string
  readonly token: Redacted.Redacted
  /** Seconds since the epoch, in decimal digits. */
  readonly expiration?: string | undefined
}

/** The signature in E2B's form. */
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

const refused = (message: string) => refuse(401, message)

/**
 * Admits a request by its access token, otherwise by the signature in its URL.
 *
 * **Details**
 *
 * A URL that the SDK signed names no sandbox when all sandboxes share one address. It is for the sandbox whose token made
 * the signature. Fails with 401 when the signature is missing, wrong, for another path or operation, or expired.
 */
export const admit = (operation: Operation): Envd.Admit =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    // An empty token is none, as at E2B.
    if (request.headers["x-access-token"]) return yield* Envd.byToken
    const { searchParams } = new URL(request.url, "http://localhost")
    const signature = searchParams.get("signature")
    if (signature === null) return yield* refused("missing signature query parameter")
    const expiration = searchParams.get("signature_expiration") ?? undefined
    // Compares with all of them, so that the time reveals nothing.
    const matching = (yield* Envd.candidates).filter(({ token }) =>
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
    if (sandbox === undefined) return yield* refused("invalid signature")
    if (expiration !== undefined && !(Number(expiration) * 1000 >= (yield* Clock.currentTimeMillis))) {
      return yield* refused("signature is already expired")
    }
    return sandbox.id
  })
