/**
 * `filesystem.Filesystem` of envd.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema, Stream } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import * as Path from "node:path/posix"
import { deadlineMillis, decodeJson, decodeRequest, keepaliveSeconds, RpcError } from "./ConnectProtocol.ts"
import * as Envd from "./Envd.ts"
import type { Entry, FileError } from "../isolation/SandboxRuntime.ts"
import { isCarriable } from "../isolation/shell.ts"
import * as DirectoryWatcher from "./DirectoryWatcher.ts"

const PathRequest = Schema.Struct({ path: Schema.optionalKey(Schema.String) })
const ListRequest = Schema.Struct({
  path: Schema.optionalKey(Schema.String),
  depth: Schema.optionalKey(Schema.Int)
})
const MoveRequest = Schema.Struct({ source: Schema.String, destination: Schema.String })

const MAX_DEPTH = 1000

/** An absolute, normalised path: relative ones and `~` start at the home of the user. */
export const resolvePath = (home: string, path: string): string =>
  Path.resolve(home, path === "~" || path.startsWith("~/") ? `.${path.slice(1)}` : path)

/** An entry in the JSON of the protocol. */
const encodeEntry = (entry: Entry) => ({
  name: Path.basename(entry.path),
  type: entry.type,
  path: entry.path,
  size: `${entry.size}`,
  mode: entry.mode,
  permissions: entry.permissions,
  owner: entry.owner,
  group: entry.group,
  modifiedTime: entry.modifiedTime,
  ...(entry.symlinkTarget === undefined ? {} : { symlinkTarget: entry.symlinkTarget }),
  ...(Object.keys(entry.metadata).length === 0 ? {} : { metadata: entry.metadata })
})

const call = <A, I, B>(
  name: string,
  schema: Schema.Codec<A, I>,
  handle: (body: A, context: Envd.Context) => Effect.Effect<B, RpcError | FileError>
) => {
  const decode = decodeJson(schema)
  return Envd.route(
    Effect.fn(`FilesystemService.${name}`)(function* (context: Envd.Context) {
      yield* Envd.rpcUser(context.request)
      const text = yield* context.request.text.pipe(
        Effect.mapError((error) => new RpcError({ code: "invalid_argument", message: error.message }))
      )
      const body = yield* decode(text)
      const answer = yield* handle(body, context).pipe(
        Effect.catchTag("FileError", (error) => Effect.fail(Envd.toRpcError(error)))
      )
      return HttpServerResponse.jsonUnsafe(answer)
    })
  )
}

const pathIn = (context: Envd.Context, path: string): Effect.Effect<string, RpcError> =>
  isCarriable(path)
    ? Effect.succeed(resolvePath(context.sandbox.machine.home, path))
    : Effect.fail(new RpcError({ code: "invalid_argument", message: "a path contains a NUL byte" }))

const stat = call("stat", PathRequest, ({ path = "" }, context) =>
  pathIn(context, path).pipe(
    Effect.flatMap(context.sandbox.machine.files.stat),
    Effect.map((entry) => ({ entry: encodeEntry(entry) }))
  )
)

const makeDir = call("makeDir", PathRequest, ({ path = "" }, context) =>
  pathIn(context, path).pipe(
    Effect.flatMap(context.sandbox.machine.files.makeDir),
    Effect.map((entry) => ({ entry: encodeEntry(entry) }))
  )
)

const remove = call("remove", PathRequest, ({ path = "" }, context) =>
  pathIn(context, path).pipe(Effect.flatMap(context.sandbox.machine.files.remove), Effect.as({}))
)

const listDir = call("listDir", ListRequest, ({ depth = 1, path = "" }, context) =>
  pathIn(context, path).pipe(
    Effect.flatMap((absolute) =>
      context.sandbox.machine.files.list(absolute, Math.min(Math.max(depth, 1), MAX_DEPTH))
    ),
    Effect.map((entries) => ({ entries: entries.map(encodeEntry) }))
  )
)

const move = call(
  "move",
  MoveRequest,
  Effect.fnUntraced(function* ({ destination, source }, context) {
    const from = yield* pathIn(context, source)
    const to = yield* pathIn(context, destination)
    return { entry: encodeEntry(yield* context.sandbox.machine.files.move(from, to)) }
  })
)

const WatchRequest = Schema.Struct({
  path: Schema.optionalKey(Schema.String),
  recursive: Schema.optionalKey(Schema.Boolean),
  includeEntry: Schema.optionalKey(Schema.Boolean),
  // There are no network mounts in a sandbox that could be refused without it.
  allowNetworkMounts: Schema.optionalKey(Schema.Boolean)
})

const decodeWatch = decodeRequest(WatchRequest)

const watchDir = Effect.fn("FilesystemService.watchDir")(
  function* (context: Envd.Context) {
    const { request, sandbox } = context
    yield* Envd.rpcUser(request)
    const bytes = yield* request.arrayBuffer.pipe(
      Effect.mapError((error) => new RpcError({ code: "invalid_argument", message: error.message }))
    )
    const { includeEntry = false, path = "", recursive = false } = yield* decodeWatch(new Uint8Array(bytes))
    const { files } = sandbox.machine
    const folder = yield* files.folder(yield* pathIn(context, path))
    const changes = yield* DirectoryWatcher.watch(sandbox.machine, folder, recursive)
    const messages = Stream.mapEffect(
      changes,
      Effect.fnUntraced(function* (change) {
        if (change === "ready") return { start: {} }
        if (!includeEntry) return { filesystem: change }
        // What is gone meanwhile is told without.
        const entry = yield* Effect.option(files.stat(Path.join(folder, change.name)))
        return {
          filesystem: Option.match(entry, {
            onNone: () => change,
            onSome: (found) => ({ ...change, entry: encodeEntry(found) })
          })
        }
      })
    )
    return Envd.messageStream(sandbox, messages, {
      keepalive: { keepalive: {} },
      keepaliveSeconds: keepaliveSeconds(request.headers),
      deadline: Option.match(deadlineMillis(request.headers), {
        onNone: () => Effect.never,
        onSome: sandbox.processes.sleep
      })
    })
  },
  Effect.catchTags({
    FileError: (error) => Effect.succeed(Envd.streamError(Envd.toRpcError(error))),
    RpcError: (error) => Effect.succeed(Envd.streamError(error))
  })
)

const unavailable = Envd.route((context) =>
  Effect.fail(
    new RpcError({
      code: "unimplemented",
      message: `${context.request.url} is not available in local sandboxes`
    })
  )
)

/** Stat, MakeDir, Move, ListDir, Remove, WatchDir; the rest of the service is refused. */
export const routes = HttpRouter.addAll([
  HttpRouter.route("POST", "/filesystem.Filesystem/Stat", stat),
  HttpRouter.route("POST", "/filesystem.Filesystem/MakeDir", makeDir),
  HttpRouter.route("POST", "/filesystem.Filesystem/Move", move),
  HttpRouter.route("POST", "/filesystem.Filesystem/ListDir", listDir),
  HttpRouter.route("POST", "/filesystem.Filesystem/Remove", remove),
  HttpRouter.route("POST", "/filesystem.Filesystem/WatchDir", Envd.route(watchDir)),
  HttpRouter.route("POST", "/filesystem.Filesystem/*", unavailable)
])
