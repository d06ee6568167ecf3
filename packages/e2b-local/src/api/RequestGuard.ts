/**
 * Who may talk to the server at all: programs of this machine that hold a secret, no web page.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import * as Crypto from "node:crypto"
import { ApiError, response } from "./ApiError.ts"

const digest = (text: string) => Crypto.createHash("sha256").update(text).digest()

/** Compares in a time that tells nothing about where the two differ. */
export const sameSecret = (given: string | undefined, secret: string): boolean =>
  given !== undefined && Crypto.timingSafeEqual(digest(given), digest(secret))

/** Whether a `Host` header names this machine, with any port: what DNS rebinding cannot fake. */
export const isLoopbackHost = (host: string | undefined): boolean =>
  host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/i.test(host)

const refuse = (message: string) => Effect.succeed(response(new ApiError({ status: 403, message })))

/** Refuses what a browser sends: an `Origin`, or a name of another host. */
export const middleware = <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    request.headers["origin"] !== undefined
      ? refuse("requests of web pages are refused")
      : isLoopbackHost(request.headers["host"])
        ? app
        : refuse("requests to another host than the loopback are refused")
  )
