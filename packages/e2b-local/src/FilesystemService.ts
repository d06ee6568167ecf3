/**
 * `filesystem.Filesystem` of envd.
 *
 * @since 0.1.0
 */
import { Effect, Schema } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import * as Path from "node:path/posix"
import { decodeJson, RpcError } from "./ConnectProtocol.ts"
import * as Envd from "./Envd.ts"
import type { Entry, FileError } from "./Machine.ts"
import { isCarriable } from "./Shell.ts"

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

const unavailable = Envd.route((context) =>
  Effect.fail(
    new RpcError({
      code: "unimplemented",
      message: `${context.request.url} is not available in local sandboxes`
    })
  )
)

/** Stat, MakeDir, Move, ListDir, Remove; the rest of the service is refused. */
export const routes = HttpRouter.addAll([
  HttpRouter.route("POST", "/filesystem.Filesystem/Stat", stat),
  HttpRouter.route("POST", "/filesystem.Filesystem/MakeDir", makeDir),
  HttpRouter.route("POST", "/filesystem.Filesystem/Move", move),
  HttpRouter.route("POST", "/filesystem.Filesystem/ListDir", listDir),
  HttpRouter.route("POST", "/filesystem.Filesystem/Remove", remove),
  HttpRouter.route("POST", "/filesystem.Filesystem/*", unavailable)
])
