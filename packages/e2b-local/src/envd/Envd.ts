/**
 * What all routes into a sandbox share: which sandbox, whose token, which user, and how refusals look.
 *
 * @since 0.1.0
 */
import { Deferred, Effect, Redacted, Result, Stream } from "effect"
import type { Scope } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { ApiError, response as apiResponse } from "../api/ApiError.ts"
import { encodeEnd, encodeEnvelope, httpStatus, RpcError } from "./ConnectProtocol.ts"
import { sameSecret } from "../api/RequestGuard.ts"
import { FileError, type FileReason } from "../isolation/SandboxRuntime.ts"
import { type Sandbox, SandboxStopped } from "../sandboxes/Sandbox.ts"
import { SandboxRegistry } from "../sandboxes/SandboxRegistry.ts"

/** The only user of a sandbox. */
export const USER = "user"

const gone = (id: string) =>
  HttpServerResponse.jsonUnsafe(
    { sandboxId: id, code: 502, message: "The sandbox was not found or is not running" },
    { status: 502 }
  )

const fileStatus: Readonly<Record<FileReason, number>> = {
  NotFound: 404,
  Exists: 409,
  IsDirectory: 400,
  NotDirectory: 400,
  Invalid: 400,
  Denied: 403,
  NoSpace: 507,
  Unsupported: 501,
  Failed: 500
}

const fileCode: Readonly<Record<FileReason, RpcError["code"]>> = {
  NotFound: "not_found",
  Exists: "already_exists",
  IsDirectory: "invalid_argument",
  NotDirectory: "invalid_argument",
  Invalid: "invalid_argument",
  Denied: "permission_denied",
  NoSpace: "resource_exhausted",
  Unsupported: "unimplemented",
  Failed: "internal"
}

/** A refusal of a file operation in the words of the Connect protocol. */
export const toRpcError = (error: FileError) =>
  new RpcError({ code: fileCode[error.reason], message: error.message })

/** The response to a refused unary call. */
const unaryError = (error: RpcError) =>
  HttpServerResponse.jsonUnsafe(
    { code: error.code, message: error.message },
    { status: httpStatus(error.code) }
  )

const refused = (error: ApiError | RpcError | FileError) => {
  switch (error._tag) {
    case "ApiError":
      return apiResponse(error)
    case "RpcError":
      return unaryError(error)
    case "FileError":
      return apiResponse(new ApiError({ status: fileStatus[error.reason], message: error.message }))
  }
}

/** One request into a running sandbox. */
export interface Context {
  readonly sandbox: Sandbox
  readonly request: HttpServerRequest.HttpServerRequest
}

/** Tells into which sandbox a request may go. */
export type Admit = Effect.Effect<
  string,
  ApiError | SandboxStopped,
  SandboxRegistry | HttpServerRequest.HttpServerRequest
>

/** The sandbox of that id, running or paused; to a request one that does not exist is one that was severed. */
export const find = (id: string) =>
  Effect.flatMap(SandboxRegistry, (registry) => registry.get(id)).pipe(
    Effect.mapError(() => new SandboxStopped({ id }))
  )

/** Admits whoever has the access token of the sandbox that the request names. */
export const byToken: Admit = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const sandbox = yield* find(request.headers["e2b-sandbox-id"] ?? "")
  return sameSecret(request.headers["x-access-token"], Redacted.value(sandbox.token))
    ? sandbox.id
    : yield* new ApiError({ status: 401, message: "the access token is not that of this sandbox" })
})

/**
 * A route into a sandbox. Answers 502 when the sandbox is not running or stops to be, 401 when the request is not
 * admitted, and a failure in its protocol's form.
 */
export const route = (
  handle: (
    context: Context
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError | RpcError | FileError, Scope.Scope>,
  admit: Admit = byToken
) =>
  Effect.gen(function* () {
    const registry = yield* SandboxRegistry
    const request = yield* HttpServerRequest.HttpServerRequest
    return yield* admit.pipe(
      Effect.tap(registry.wake),
      Effect.flatMap((id) => registry.whileRunning(id, (sandbox) => handle({ sandbox, request }))),
      Effect.catchTags({
        Severed: (error) => Effect.succeed(gone(error.id)),
        ApiError: (error) => Effect.succeed(refused(error)),
        RpcError: (error) => Effect.succeed(refused(error)),
        FileError: (error) => Effect.succeed(refused(error))
      })
    )
  })

/**
 * Whether the sandbox runs; needs no token, as at E2B. With the token it is traffic as any other, and wakes a
 * sandbox that wakes by itself.
 */
export const health = Effect.gen(function* () {
  const registry = yield* SandboxRegistry
  const request = yield* HttpServerRequest.HttpServerRequest
  yield* Effect.ignore(Effect.flatMap(byToken, registry.wake))
  return yield* registry
    .whileRunning(request.headers["e2b-sandbox-id"] ?? "", () =>
      Effect.succeed(HttpServerResponse.empty({ status: 204 }))
    )
    .pipe(Effect.catch((error) => Effect.succeed(gone(error.id))))
})

/** Refuses every user but {@link USER}. */
export const checkUser = (name: string | undefined): Result.Result<void, string> =>
  name === undefined || name === "" || name === USER
    ? Result.succeed(undefined)
    : Result.fail(
        name === "root"
          ? `user 'root' is not available: everything in a local sandbox runs as '${USER}', without privileges`
          : `user '${name}' does not exist, only '${USER}' does`
      )

/** The user that a call names in its `Authorization` header. */
const basicUser = (header: string | undefined): string | undefined =>
  header?.startsWith("Basic ") === true
    ? Buffer.from(header.slice("Basic ".length), "base64").toString("utf8").split(":")[0]
    : undefined

/** Fails with `unauthenticated` for a user that does not exist, as envd does. */
export const rpcUser = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<void, RpcError> =>
  Effect.fromResult(checkUser(basicUser(request.headers["authorization"]))).pipe(
    Effect.mapError((message) => new RpcError({ code: "unauthenticated", message }))
  )

/** The bytes that a client is sent, cut off when the sandbox is paused or killed. */
export const severable = <A, E>(sandbox: Sandbox, stream: Stream.Stream<A, E>) =>
  Stream.interruptWhen(stream, Deferred.await(sandbox.severed))

const connectStream = "application/connect+json"

/** A stream that was refused before it began: status 200 and the error in its last envelope. */
export const streamError = (error: RpcError) =>
  HttpServerResponse.uint8Array(encodeEnd(error), { contentType: connectStream })

/** What ends a stream before its last event. */
export interface Limits {
  readonly keepaliveSeconds: number
  /** Completes at the deadline of the call; never when it has none. */
  readonly deadline: Effect.Effect<void>
}

/** A stream of messages with keepalives, that ends with `deadline_exceeded` at the deadline. */
export const messageStream = <A>(
  sandbox: Sandbox,
  messages: Stream.Stream<A, RpcError>,
  limits: Limits & { readonly keepalive: unknown }
) => {
  const keepalive = encodeEnvelope(limits.keepalive)
  const body = messages.pipe(
    Stream.map((message) => encodeEnvelope(message)),
    Stream.concat(Stream.succeed(encodeEnd())),
    Stream.catchTag("RpcError", (error) => Stream.succeed(encodeEnd(error))),
    Stream.merge(
      Stream.tick(`${limits.keepaliveSeconds} seconds`).pipe(
        Stream.drop(1),
        Stream.map(() => keepalive)
      ),
      { haltStrategy: "left" }
    ),
    Stream.merge(
      Stream.fromEffect(
        Effect.as(
          limits.deadline,
          encodeEnd(new RpcError({ code: "deadline_exceeded", message: "context deadline exceeded" }))
        )
      ),
      { haltStrategy: "either" }
    )
  )
  return HttpServerResponse.stream(severable(sandbox, body), { contentType: connectStream })
}

/** The stream of what a command does: `{event}` messages. */
export const eventStream = <E>(sandbox: Sandbox, events: Stream.Stream<E>, limits: Limits) =>
  messageStream(
    sandbox,
    Stream.map(events, (event) => ({ event })),
    { ...limits, keepalive: { event: { keepalive: {} } } }
  )
