/**
 * The Connect protocol in its JSON form: unary calls as plain HTTP, streams in length-prefixed envelopes. Also the
 * compression of bodies, which RPC calls and `/files` share.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema, Stream } from "effect"
import type { HttpServerRequest } from "effect/http"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Zlib from "node:zlib"
import { describeIssue, refuse, type ApiError } from "../api/ApiError.ts"

const statusOf = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  unauthenticated: 401
} as const

/** The error codes of the Connect protocol that this server uses. */
export const Code = Schema.Literals([
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "unimplemented",
  "internal",
  "unavailable",
  "unauthenticated"
])
/** @see {@link Code} */
export type Code = typeof Code.Type

/** An error of a call. The message is sent to the client. */
export class RpcError extends Schema.TaggedError<RpcError>()("RpcError", {
  code: Code,
  message: Schema.String
}) {}

/** An error of a call with one code. */
export const rpcError = (code: Code, message: string) => new RpcError({ code, message })

/** The HTTP status of a failed unary call. */
export const httpStatus = (code: Code): number => statusOf[code]

/** Flag of the envelope that ends a stream. */
export const END_STREAM = 2

/** Flag of a compressed envelope. */
const COMPRESSED = 1

const HEADER_BYTES = 5

/** Wraps a message: one byte of flags, four bytes of length (big endian), the JSON. */
export const encodeEnvelope = (message: unknown, flags = 0): Uint8Array => {
  const json = Buffer.from(JSON.stringify(message))
  const envelope = Buffer.allocUnsafe(HEADER_BYTES + json.length)
  envelope[0] = flags
  envelope.writeUInt32BE(json.length, 1)
  json.copy(envelope, HEADER_BYTES)
  return envelope
}

/** The last envelope of a stream, with the error that ended it if there is one. */
export const encodeEnd = (error?: RpcError): Uint8Array =>
  encodeEnvelope(
    error === undefined ? {} : { error: { code: error.code, message: error.message } },
    END_STREAM
  )

/** One decoded envelope, and the bytes that follow it. */
export interface Envelope {
  readonly flags: number
  readonly payload: Uint8Array
  readonly rest: Uint8Array
}

/** Takes one envelope from the front of `bytes`. None when it is not complete. */
export const decodeEnvelope = (bytes: Uint8Array): Option.Option<Envelope> => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < HEADER_BYTES) return Option.none()
  const end = HEADER_BYTES + buffer.readUInt32BE(1)
  if (buffer.length < end) return Option.none()
  return Option.some({
    flags: buffer.readUInt8(0),
    payload: buffer.subarray(HEADER_BYTES, end),
    rest: buffer.subarray(end)
  })
}

type Headers = Readonly<Record<string, string | undefined>>

const isGzip = (header: string | undefined) => header?.trim().toLowerCase() === "gzip"

const gunzip = (bytes: Uint8Array) =>
  Effect.callback<Uint8Array, RpcError>((resume) => {
    Zlib.gunzip(bytes, (error, result) =>
      resume(
        error === null
          ? Effect.succeed(result)
          : Effect.fail(rpcError("invalid_argument", `decompress: ${error.message}`))
      )
    )
  })

/** The JSON of an envelope. Fails when it is compressed in a way that the headers do not announce. */
export const envelopeText = ({ flags, payload }: Envelope, headers: Headers) =>
  (flags & COMPRESSED) === 0
    ? Effect.succeed(Buffer.from(payload).toString())
    : isGzip(headers["connect-content-encoding"])
      ? Effect.map(gunzip(payload), (bytes) => Buffer.from(bytes).toString())
      : Effect.fail(
          rpcError("internal", "protocol error: sent compressed message without compression support")
        )

/** Decodes a JSON message. Unknown fields are ignored, as the Connect protocol wants it. */
export const decodeJson = <A, I>(schema: Schema.Codec<A, I>) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (json: string) =>
    Effect.try({
      try: (): unknown => JSON.parse(json),
      catch: () => rpcError("invalid_argument", "the message is not valid JSON")
    }).pipe(
      Effect.flatMap(decode),
      Effect.catchTag("SchemaError", (error) =>
        Effect.fail(rpcError("invalid_argument", describeIssue(error)))
      )
    )
}

/**
 * Decodes the single message of a server-streaming request.
 *
 * **Details**
 *
 * Fails with `unimplemented` when there is no message or more than one, as connect-go does, and with `invalid_argument`
 * when the envelope is incomplete or the JSON does not fit the schema.
 */
export const decodeRequest = <A, I>(schema: Schema.Codec<A, I>) => {
  const decode = decodeJson(schema)
  return Effect.fnUntraced(function* (bytes: Uint8Array, headers: Headers) {
    if (bytes.length === 0) return yield* rpcError("unimplemented", "unary request has zero messages")
    const envelope = decodeEnvelope(bytes)
    if (Option.isNone(envelope)) {
      return yield* rpcError("invalid_argument", "protocol error: incomplete envelope")
    }
    if (envelope.value.rest.length > 0) {
      return yield* rpcError("unimplemented", "unary request has multiple messages")
    }
    return yield* decode(yield* envelopeText(envelope.value, headers))
  })
}

/** Fails with `invalid_argument` for another version of the protocol. */
export const checkVersion = (headers: Headers) => {
  const version = headers["connect-protocol-version"]
  return version === undefined || version === "1"
    ? Effect.void
    : Effect.fail(
        rpcError("invalid_argument", `connect-protocol-version must be "1": got ${JSON.stringify(version)}`)
      )
}

/** Whether a header names a media type of JSON, in UTF-8 if it names a character set. */
export const isMediaType = (header: string | undefined, type: string): boolean => {
  const [name = "", ...parameters] = (header ?? "").toLowerCase().split(";")
  return (
    name.trim() === type &&
    parameters.every((parameter) => !parameter.includes("charset") || parameter.includes("utf-8"))
  )
}

/** The JSON of a unary request. */
export const unaryText = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  yield* checkVersion(request.headers)
  const body = yield* request.arrayBuffer.pipe(
    Effect.mapError((error) => rpcError("invalid_argument", error.message))
  )
  const bytes = new Uint8Array(body)
  return Buffer.from(isGzip(request.headers["content-encoding"]) ? yield* gunzip(bytes) : bytes).toString()
})

const positive = (header: string | undefined): Option.Option<number> => {
  const value = header === undefined || !/^\d+$/.test(header) ? 0 : Number(header)
  return value > 0 ? Option.some(value) : Option.none()
}

/** The deadline of a call in milliseconds from `Connect-Timeout-Ms`. None when there is no limit. */
export const deadlineMillis = (headers: Headers) => positive(headers["connect-timeout-ms"])

/** The seconds between keepalive events that the client wants. The default is that of envd. */
export const keepaliveSeconds = (headers: Headers) =>
  Option.getOrElse(positive(headers["keepalive-ping-interval"]), () => 90)

const bad = (message: string) => refuse(400, message)

/** The body of an upload without its compression. Fails with 400 for another coding than gzip and for broken data. */
export const decodedBody = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<Stream.Stream<Uint8Array, ApiError>, ApiError> => {
  const body = request.stream.pipe(
    Stream.mapError((error) => bad(`the body ended unexpectedly: ${error.message}`))
  )
  const encoding = (request.headers["content-encoding"] ?? "identity").trim().toLowerCase()
  if (encoding === "identity") return Effect.succeed(body)
  if (encoding !== "gzip") {
    return Effect.fail(bad(`unsupported Content-Encoding: ${encoding}, supported: [gzip]`))
  }
  return Effect.succeed(
    NodeStream.pipeThroughDuplex(body, {
      evaluate: () => Zlib.createGunzip(),
      onError: (cause) =>
        bad(`error decompressing request body: ${cause instanceof Error ? cause.message : "not gzip"}`)
    })
  )
}

/**
 * Whether a client wants a download compressed: it accepts gzip and names no other coding.
 *
 * **Details**
 *
 * Every `fetch` sends a list of codings by itself, and on the loopback compression costs more than it saves.
 */
export const wantsGzip = (accept: string | undefined): boolean => {
  const [coding = "", ...parameters] = (accept ?? "").split(";").map((part) => part.trim().toLowerCase())
  return coding === "gzip" && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
}

/** Compresses bytes while they are read. */
export const gzipped = <E>(bytes: Stream.Stream<Uint8Array, E>) =>
  NodeStream.pipeThroughDuplex(bytes, { evaluate: () => Zlib.createGzip({ level: 1 }) })
