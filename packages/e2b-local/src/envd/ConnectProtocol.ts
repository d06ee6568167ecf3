/**
 * The Connect protocol as the `e2b` SDK speaks it: JSON, unary calls as plain HTTP, server streams in
 * length-prefixed envelopes.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema } from "effect"

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

/** The codes of the Connect protocol that this server answers with. */
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

/** A refusal in the words of the Connect protocol. The message goes to the client as it is. */
export class RpcError extends Schema.TaggedError<RpcError>()("RpcError", {
  code: Code,
  message: Schema.String
}) {}

/** The HTTP status of a unary call that failed with `code`. */
export const httpStatus = (code: Code): number => statusOf[code]

/** Flag of the envelope that ends a stream. */
export const END_STREAM = 2

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
  readonly json: string
  readonly rest: Uint8Array
}

/** Takes one envelope off the front of `bytes`; none when it is not complete. */
export const decodeEnvelope = (bytes: Uint8Array): Option.Option<Envelope> => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < HEADER_BYTES) return Option.none()
  const end = HEADER_BYTES + buffer.readUInt32BE(1)
  if (buffer.length < end) return Option.none()
  return Option.some({
    flags: buffer.readUInt8(0),
    json: buffer.toString("utf8", HEADER_BYTES, end),
    rest: buffer.subarray(end)
  })
}

/**
 * The single message of a server-streaming request. Fails with `invalid_argument` when the envelope is
 * incomplete or compressed, or its JSON does not fit the schema.
 */
export const decodeRequest = <A, I>(schema: Schema.Codec<A, I>) => {
  const decode = decodeJson(schema)
  return Effect.fnUntraced(function* (bytes: Uint8Array) {
    const envelope = decodeEnvelope(bytes)
    if (Option.isNone(envelope) || envelope.value.flags !== 0) {
      return yield* new RpcError({
        code: "invalid_argument",
        message: "the request is not one uncompressed envelope"
      })
    }
    return yield* decode(envelope.value.json)
  })
}

/** A JSON message of a unary request. Fails with `invalid_argument` when it does not fit the schema. */
export const decodeJson = <A, I>(schema: Schema.Codec<A, I>) => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
  return (json: string) =>
    decode(json).pipe(
      Effect.mapError((error) => new RpcError({ code: "invalid_argument", message: String(error) }))
    )
}

const positive = (header: string | undefined): Option.Option<number> => {
  const value = header === undefined || !/^\d+$/.test(header) ? 0 : Number(header)
  return value > 0 ? Option.some(value) : Option.none()
}

/** The deadline of a call in milliseconds from `Connect-Timeout-Ms`; none when there is no limit. */
export const deadlineMillis = (headers: Readonly<Record<string, string | undefined>>) =>
  positive(headers["connect-timeout-ms"])

/** The seconds between keepalive events that the client asked for, else 90 as the real envd. */
export const keepaliveSeconds = (headers: Readonly<Record<string, string | undefined>>) =>
  Option.getOrElse(positive(headers["keepalive-ping-interval"]), () => 90)
