/**
 * The parts that all routes into a sandbox share: which sandbox, which token, which user, and the form of refusals.
 *
 * @since 0.1.0
 */
import { Deferred, Effect, Option, Redacted, Result, Stream } from "effect"
import type { Scope } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { type ApiError, ofRegistry, refuse, response as apiResponse } from "../api/ApiError.ts"
import { sameSecret } from "../api/RequestGuard.ts"
import type { Account, CommandError, FileError, FileReason } from "../isolation/SandboxRuntime.ts"
import type { WatchFailed } from "../sandboxes/DirectoryWatcher.ts"
import { type Sandbox, SandboxStopped } from "../sandboxes/ManagedSandbox.ts"
import type { ProcessNotFound } from "../sandboxes/ProcessTable.ts"
import type { RegistryError } from "../sandboxes/RegistryError.ts"
import { SandboxRegistry } from "../sandboxes/SandboxRegistry.ts"
import type { WatcherNotFound } from "../sandboxes/WatcherTable.ts"
import {
  type Code,
  encodeEnd,
  encodeEnvelope,
  httpStatus,
  isMediaType,
  type RpcError,
  rpcError
} from "./ConnectProtocol.ts"

const gone = (id: string) =>
  HttpServerResponse.jsonUnsafe(
    { sandboxId: id, code: 502, message: "The sandbox was not found" },
    { status: 502 }
  )

const fileStatus = {
  NotFound: 404,
  Exists: 409,
  IsDirectory: 400,
  NotDirectory: 400,
  Invalid: 400,
  Denied: 403,
  NoSpace: 507,
  Unsupported: 501,
  Failed: 500
} as const satisfies Readonly<Record<FileReason, ApiError["status"]>>

const fileCode: Readonly<Record<FileReason, Code>> = {
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

const commandCode: Readonly<Record<CommandError["reason"], Code>> = {
  NoDirectory: "invalid_argument",
  NoProgram: "invalid_argument",
  Unsupported: "unimplemented",
  Failed: "internal"
}

const watchCode: Readonly<Record<WatchFailed["reason"], Code>> = {
  Unsupported: "unimplemented",
  Overflow: "resource_exhausted",
  Failed: "internal"
}

/** The failures of a call that become an error of the Connect protocol. */
export type CallError = RpcError | FileError | CommandError | ProcessNotFound | WatchFailed | WatcherNotFound

/** A failure of a call in the words of the Connect protocol. */
const toRpcError = (error: CallError): RpcError => {
  switch (error._tag) {
    case "RpcError":
      return error
    case "FileError":
      return rpcError(fileCode[error.reason], error.message)
    case "CommandError":
      return rpcError(commandCode[error.reason], error.message)
    case "WatchFailed":
      return rpcError(watchCode[error.reason], error.message)
    case "ProcessNotFound":
    case "WatcherNotFound":
      return rpcError("not_found", error.message)
  }
}

/** A refused file operation as a plain HTTP refusal. */
export const toApiError = (error: FileError): ApiError => refuse(fileStatus[error.reason], error.message)

const refused = (error: ApiError) => Effect.succeed(apiResponse(error))

/** One request into a running sandbox. */
export interface Context {
  readonly sandbox: Sandbox
  readonly request: HttpServerRequest.HttpServerRequest
}

/** Decides into which sandbox a request may go. */
export type Admit = Effect.Effect<
  string,
  ApiError | SandboxStopped,
  SandboxRegistry | HttpServerRequest.HttpServerRequest
>

/** A sandbox, running or paused. For a request, a sandbox that does not exist is one that has stopped. */
const find = (id: string) =>
  Effect.flatMap(SandboxRegistry, (registry) => registry.get(id)).pipe(
    Effect.mapError(() => new SandboxStopped({ id }))
  )

/** The sandboxes that a request may be for: the one that it names, otherwise all of them. */
export const candidates = Effect.gen(function* () {
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const registry = yield* SandboxRegistry
  const id = headers["e2b-sandbox-id"]
  const all: ReadonlyArray<Sandbox> = id === undefined ? yield* registry.list : [yield* find(id)]
  return all
})

/**
 * Admits requests that carry the access token of the sandbox that they name.
 *
 * **Details**
 *
 * Older SDKs name no sandbox in requests to `/files` and `/health` when all sandboxes share one address. Such a request is
 * for the sandbox with that token.
 */
export const byToken: Admit = Effect.gen(function* () {
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const token = headers["x-access-token"]
  const sandbox = (yield* candidates).find((one) => sameSecret(token, Redacted.value(one.token)))
  if (sandbox !== undefined) return sandbox.id
  if (headers["e2b-sandbox-id"] === undefined) return yield* new SandboxStopped({ id: "" })
  return yield* refuse(
    401,
    "unauthorized access, please provide a valid access token or method signing if supported"
  )
})

/**
 * A route into a sandbox. Answers 502 when the sandbox is not running or stops meanwhile, 401 when the request is not
 * admitted, and a refusal in E2B's form.
 */
export const route = (
  handle: (context: Context) => Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError, Scope.Scope>,
  admit: Admit = byToken
) =>
  Effect.gen(function* () {
    const registry = yield* SandboxRegistry
    const request = yield* HttpServerRequest.HttpServerRequest
    return yield* admit.pipe(
      Effect.tap(registry.wake),
      Effect.flatMap((id) => registry.whileRunning(id, (sandbox) => handle({ sandbox, request }))),
      Effect.catchTags({
        SandboxStopped: (error) => Effect.succeed(gone(error.id)),
        ApiError: refused,
        RegistryError: (error: RegistryError) => refused(ofRegistry(error))
      })
    )
  })

const unsupportedMediaType = (accepted: string) =>
  HttpServerResponse.empty({ status: 415, headers: { "accept-post": accepted } })

const unaryType = "application/json"
const streamType = "application/connect+json"

/** A route of a unary call. */
export const unary = (handle: (context: Context) => Effect.Effect<unknown, CallError, Scope.Scope>) =>
  route((context) =>
    isMediaType(context.request.headers["content-type"], unaryType)
      ? handle(context).pipe(
          Effect.map((answer) => HttpServerResponse.jsonUnsafe(answer)),
          Effect.catch((error) => {
            const { code, message } = toRpcError(error)
            return Effect.succeed(
              HttpServerResponse.jsonUnsafe({ code, message }, { status: httpStatus(code) })
            )
          })
        )
      : Effect.succeed(unsupportedMediaType(unaryType))
  )

/** A route of a streaming call. A failure before the stream starts has status 200 and the error in its last envelope. */
export const streaming = (
  handle: (context: Context) => Effect.Effect<HttpServerResponse.HttpServerResponse, CallError, Scope.Scope>
) =>
  route((context) =>
    isMediaType(context.request.headers["content-type"], streamType)
      ? Effect.catch(handle(context), (error) =>
          Effect.succeed(
            HttpServerResponse.uint8Array(encodeEnd(toRpcError(error)), { contentType: streamType })
          )
        )
      : Effect.succeed(unsupportedMediaType(streamType))
  )

/**
 * Whether the sandbox runs. Needs no token, as at E2B. With the token it counts as traffic and wakes a sandbox that
 * resumes by itself.
 */
export const health = Effect.gen(function* () {
  const registry = yield* SandboxRegistry
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const admitted = yield* Effect.option(Effect.tap(byToken, registry.wake))
  const id = headers["e2b-sandbox-id"] ?? Option.getOrElse(admitted, () => "")
  return yield* registry
    .whileRunning(id, () => Effect.succeed(HttpServerResponse.empty({ status: 204 })))
    .pipe(Effect.catch((error) => Effect.succeed(gone(error.id))))
})

/** The account of a user name. Without a name it is `user`. */
export const accountOf = (sandbox: Sandbox, name: string | undefined): Result.Result<Account, string> => {
  const { root, user } = sandbox.runtime
  if (name === undefined || name === "" || name === user.name) return Result.succeed(user)
  if (name !== "root") return Result.fail(`invalid username: '${name}'`)
  return Option.match(root, {
    onNone: () =>
      Result.fail("user 'root' is not available: it needs isolation and a server that runs as root"),
    onSome: Result.succeed
  })
}

/** The user that a call names in its `Authorization` header. */
const basicUser = (header: string | undefined): string | undefined =>
  header?.startsWith("Basic ") === true
    ? Buffer.from(header.slice("Basic ".length), "base64").toString("utf8").split(":")[0]
    : undefined

/** The account of a call. Fails with `unauthenticated` for a user that does not exist, as envd does. */
export const rpcAccount = ({ request, sandbox }: Context): Effect.Effect<Account, RpcError> =>
  Effect.fromResult(accountOf(sandbox, basicUser(request.headers["authorization"]))).pipe(
    Effect.mapError((message) => rpcError("unauthenticated", message))
  )

/** Ends a response with a failure when the sandbox is paused or killed. */
export const whileRunning = <A, E>(sandbox: Sandbox, stream: Stream.Stream<A, E>) =>
  Stream.interruptWhen(stream, Deferred.await(sandbox.stopped))

/** What ends a stream before its last event. */
export interface Limits {
  readonly keepaliveSeconds: number
  /** Completes at the deadline of the call. Never completes when it has none. */
  readonly deadline: Effect.Effect<void>
}

/** A stream of messages with keepalives. It ends with `deadline_exceeded` at the deadline. */
export const messageStream = <A>(
  sandbox: Sandbox,
  messages: Stream.Stream<A, CallError>,
  limits: Limits & { readonly keepalive: unknown }
) => {
  const keepalive = encodeEnvelope(limits.keepalive)
  const body = messages.pipe(
    Stream.map((message) => encodeEnvelope(message)),
    Stream.concat(Stream.succeed(encodeEnd())),
    Stream.catch((error) => Stream.succeed(encodeEnd(toRpcError(error)))),
    Stream.merge(
      Stream.tick(`${limits.keepaliveSeconds} seconds`).pipe(
        Stream.drop(1),
        Stream.map(() => keepalive)
      ),
      { haltStrategy: "left" }
    ),
    Stream.merge(
      Stream.fromEffect(
        Effect.as(limits.deadline, encodeEnd(rpcError("deadline_exceeded", "context deadline exceeded")))
      ),
      { haltStrategy: "either" }
    )
  )
  return HttpServerResponse.stream(whileRunning(sandbox, body), { contentType: streamType })
}

/** The stream of the events of a command: messages of the form `{event}`. */
export const eventStream = <E>(sandbox: Sandbox, events: Stream.Stream<E>, limits: Limits) =>
  messageStream(
    sandbox,
    Stream.map(events, (event) => ({ event })),
    { ...limits, keepalive: { event: { keepalive: {} } } }
  )
