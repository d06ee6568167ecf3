/**
 * What clients send to the REST API: JSON bodies and query parameters.
 *
 * @since 0.1.0
 */
import { Effect, Schema } from "effect"
import { HttpServerRequest } from "effect/http"
import { ApiError } from "./ApiError.ts"

/** Seconds, at most a day. */
export const Timeout = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 86_400 })))

/** The refusal of a request that makes no sense here. */
export const bad = (message: string) => new ApiError({ status: 400, message })

const decodeRecord = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
)

/** Decodes a JSON body. Fields that the schema does not know are refused: ignoring them would break a promise. */
export const decode = <F extends Schema.Struct.Fields, I>(
  schema: Schema.Codec<Schema.Struct<F>["Type"], I> & { readonly fields: F }
) => {
  const decodeFields = Schema.decodeUnknownEffect(schema)
  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const text = yield* request.text.pipe(Effect.mapError((error) => bad(error.message)))
    const record = yield* decodeRecord(text === "" ? "{}" : text).pipe(
      Effect.mapError(() => bad("the body is not a JSON object"))
    )
    const given = Object.entries(record).filter(([, value]) => value !== null)
    const unknown = given.map(([name]) => name).filter((name) => !Object.hasOwn(schema.fields, name))
    if (unknown.length > 0) return yield* bad(`not available in local sandboxes: ${unknown.join(", ")}`)
    return yield* decodeFields(Object.fromEntries(given), { onExcessProperty: "error" }).pipe(
      Effect.mapError((error) => bad(String(error)))
    )
  })
}

/** Decodes the query parameters. */
export const query = <A, I>(schema: Schema.Codec<A, I>) => {
  const decodeParameters = Schema.decodeUnknownEffect(schema)
  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const url = new URL(request.url, "http://localhost")
    return yield* decodeParameters(HttpServerRequest.searchParamsFromURL(url)).pipe(
      Effect.mapError((error) => bad(String(error)))
    )
  })
}

/** Under which names the ports of sandboxes are reached by whoever sends the request: every one leads to this server. */
export const domain = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => {
  const port = /:(\d{1,5})$/.exec(headers["host"] ?? "")?.[1]
  return port === undefined ? "localhost" : `localhost:${port}`
})
