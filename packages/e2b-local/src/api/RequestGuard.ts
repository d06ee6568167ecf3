/**
 * Decides which requests the server accepts at all: those of programs of this machine that hold a secret.
 *
 * @since 0.1.0
 */
import { Effect, Redacted } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import * as Crypto from "node:crypto"
import { refuse, response } from "./ApiError.ts"

const digest = (text: string) => Crypto.createHash("sha256").update(text).digest()

/** Compares in constant time. */
export const sameSecret = (given: string | undefined, secret: string): boolean =>
  given !== undefined && Crypto.timingSafeEqual(digest(given), digest(secret))

/** Whether a `Host` header names this machine, with any port. DNS rebinding cannot forge that. */
export const isLoopbackHost = (host: string | undefined): boolean =>
  host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/i.test(host)

const forbidden = (message: string) => Effect.succeed(response(refuse(403, message)))

/** Refuses requests of browsers: those with an `Origin` or with the name of another host. */
export const middleware = <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    request.headers["origin"] !== undefined
      ? forbidden("requests of web pages are refused")
      : isLoopbackHost(request.headers["host"])
        ? app
        : forbidden("requests to another host than the loopback are refused")
  )

/** Fails with 401 unless the request carries the API key. */
export const requireApiKey = (apiKey: Redacted.Redacted) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
    sameSecret(headers["x-api-key"], Redacted.value(apiKey))
      ? Effect.void
      : Effect.fail(refuse(401, "the API key is missing or wrong"))
  )
