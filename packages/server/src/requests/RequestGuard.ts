import { ApiError, RequestChecks } from "@remote-agent/api"
import { ByteSize, Cause, Effect, Layer, Option, SchemaIssue } from "effect"
import {
  HttpIncomingMessage,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { HttpApiError } from "effect/http-api"
import { refusal } from "./refusals.ts"

/**
 * What a server accepts.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /**
   * The names by which clients may address the server, without ports; any name when absent. A server on the loopback
   * accepts the names of the loopback only, so that a page of another site cannot reach it under a name of its own.
   */
  readonly hosts?: ReadonlyArray<string> | undefined
  /** How many bytes a body may have. */
  readonly maxBodyBytes: number
  /** The origins of pages that may use the API; none when empty. */
  readonly corsOrigins: ReadonlyArray<string>
}

/**
 * The names of the loopback.
 *
 * @category constants
 * @since 0.2.0
 */
export const loopback: ReadonlyArray<string> = ["localhost", "127.0.0.1", "[::1]", "::1"]

/** The name in a `Host` header. */
const nameIn = (host: string): string => host.replace(/:\d+$/, "").toLowerCase()

const isKnown = (hosts: ReadonlyArray<string> | undefined, host: string | undefined): boolean =>
  hosts === undefined || (host !== undefined && hosts.includes(nameIn(host)))

const refused = {
  host: refusal(
    "Forbidden",
    403,
    "UnknownHost",
    "The server is not known by this name. Use the address that it printed, or start it with --allow-host."
  ),
  size: (limit: number) =>
    refusal("PayloadTooLarge", 413, "PayloadTooLarge", `A body may have ${limit} bytes at most.`)
}

const security = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer"
}

const noSuchRoute = refusal("NotFound", 404, "RouteNotFound", "The API has no such operation. See /docs.")

/** A path of the API that no operation has is answered like everything else that does not exist. */
const routed = <E, R>(response: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.catchCause(response, (cause) => {
    const failure: unknown = Option.getOrUndefined(Cause.findErrorOption(cause))
    return HttpServerError.isHttpServerError(failure) && failure.reason._tag === "RouteNotFound"
      ? Effect.succeed(noSuchRoute)
      : Effect.failCause(cause)
  })

/**
 * Checks the host and the size of every request, and adds the headers for browsers to every response.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = ({
  corsOrigins,
  hosts,
  maxBodyBytes
}: Options): Layer.Layer<never, never, HttpRouter.HttpRouter> => {
  const guard = HttpRouter.middleware(
    (response) =>
      Effect.gen(function* () {
        const { headers, url } = yield* HttpServerRequest.HttpServerRequest
        if (!isKnown(hosts, headers["host"])) return refused.host
        if (Number(headers["content-length"] ?? 0) > maxBodyBytes) return refused.size(maxBodyBytes)
        return yield* Effect.provideService(
          url.startsWith("/v1/") ? routed(response) : response,
          HttpIncomingMessage.MaxBodySize,
          ByteSize.bytes(maxBodyBytes)
        )
      }).pipe(Effect.map(HttpServerResponse.setHeaders(security))),
    { global: true }
  )
  return corsOrigins.length === 0
    ? guard
    : Layer.merge(
        guard,
        HttpRouter.cors({
          allowedOrigins: corsOrigins,
          allowedHeaders: ["authorization", "content-type", "idempotency-key", "if-match", "last-event-id"],
          exposedHeaders: ["etag", "retry-after"]
        })
      )
}

const places: Readonly<Record<HttpApiError.HttpApiSchemaError["kind"], string>> = {
  Params: "path",
  Headers: "headers",
  Query: "query",
  Payload: "body",
  Body: "answer",
  ResponseHeaders: "answer"
}

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => (issue._tag === "MissingKey" ? "is missing" : "is not valid"),
  checkHook: () => "is not valid"
})

/** What is wrong with a request, without the values in it: they may be secret. */
const problemsOf = ({ cause, kind }: HttpApiError.HttpApiSchemaError): string => {
  const found = format(cause.issue).issues.map(({ message, path = [] }) => {
    const name = path.map((part) => String(typeof part === "object" ? part.key : part)).join(".")
    return name === "" ? `it ${message}` : `${name} ${message}`
  })
  return `The ${places[kind]} of the request is not as the API describes it: ${[...new Set(found)].slice(0, 5).join(", ")}.`
}

/** A body without a length is measured while it is read, and what fails then is a defect of the handler. */
const isTooLarge = (cause: Cause.Cause<unknown>): boolean => {
  const defect = Cause.squash(cause)
  return (
    HttpServerError.isHttpServerError(defect) &&
    defect.reason._tag === "RequestParseError" &&
    defect.reason.reason === "BodyTooLarge"
  )
}

/**
 * Answers requests that are malformed or too large with an error of the contract.
 *
 * @category layers
 * @since 0.2.0
 */
export const checks: Layer.Layer<RequestChecks.RequestChecks> = Layer.succeed(
  RequestChecks.RequestChecks,
  RequestChecks.RequestChecks.of((response) =>
    Effect.catchCause(
      response,
      Effect.fnUntraced(function* (cause) {
        const failure: unknown = Option.getOrUndefined(Cause.findErrorOption(cause))
        if (HttpApiError.HttpApiSchemaError.is(failure) && failure.kind !== "Body") {
          return yield* new ApiError.Invalid({
            error: { reason: "InvalidRequest", message: problemsOf(failure), retryable: false }
          })
        }
        if (HttpApiError.HttpApiPayloadTooLarge.is(failure) || isTooLarge(cause)) {
          return yield* new ApiError.PayloadTooLarge({
            error: { reason: "PayloadTooLarge", message: "The body is too large.", retryable: false }
          })
        }
        return yield* Effect.failCause(cause)
      })
    )
  )
)
