/**
 * Compressed contents of `/files`.
 *
 * @since 0.1.0
 */
import { Effect, Stream } from "effect"
import type { HttpServerRequest } from "effect/http"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Zlib from "node:zlib"
import { ApiError } from "../api/ApiError.ts"

const bad = (message: string) => new ApiError({ status: 400, message })

/** The body of an upload without its compression. Fails with 400 for another one than gzip, and for broken data. */
export const decodedBody = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<Stream.Stream<Uint8Array, ApiError>, ApiError> => {
  const body = request.stream.pipe(Stream.mapError((error) => bad(`the body broke off: ${error.message}`)))
  const encoding = (request.headers["content-encoding"] ?? "identity").trim().toLowerCase()
  if (encoding === "identity") return Effect.succeed(body)
  if (encoding !== "gzip") return Effect.fail(bad(`Content-Encoding ${encoding} is not supported, gzip is`))
  return Effect.succeed(
    NodeStream.pipeThroughDuplex(body, {
      evaluate: () => Zlib.createGunzip(),
      onError: (cause) => bad(`the body is not gzip: ${cause instanceof Error ? cause.message : "broken"}`)
    })
  )
}

/**
 * Whether a client wants a download compressed: it accepts gzip and names nothing else. Every `fetch` offers a list of
 * codings by itself, and on the loopback compression costs more than it saves.
 */
export const wantsGzip = (accept: string | undefined): boolean => {
  const [coding = "", ...parameters] = (accept ?? "").split(";").map((part) => part.trim().toLowerCase())
  return coding === "gzip" && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
}

/** The bytes compressed while they are read. */
export const gzipped = <E>(bytes: Stream.Stream<Uint8Array, E>) =>
  NodeStream.pipeThroughDuplex(bytes, { evaluate: () => Zlib.createGzip({ level: 1 }) })
