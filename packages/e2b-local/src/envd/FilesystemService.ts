/**
 * `filesystem.Filesystem` of envd.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema, Stream } from "effect"
import { HttpRouter } from "effect/http"
import * as Path from "node:path/posix"
import type { Account, Entry } from "../isolation/SandboxRuntime.ts"
import * as DirectoryWatcher from "../sandboxes/DirectoryWatcher.ts"
import {
  checkVersion,
  deadlineMillis,
  decodeJson,
  decodeRequest,
  keepaliveSeconds,
  rpcError,
  unaryText
} from "./ConnectProtocol.ts"
import * as Envd from "./Envd.ts"
import { callPath } from "./paths.ts"

/** A field that clients leave out or set to null. */
const optional = <S extends Schema.Top>(schema: S) => Schema.optional(Schema.NullOr(schema))

const PathRequest = Schema.Struct({ path: optional(Schema.String) })
const ListRequest = Schema.Struct({
  path: optional(Schema.String),
  depth: optional(Schema.Union([Schema.Int, Schema.NumberFromString]))
})
const MoveRequest = Schema.Struct({ source: optional(Schema.String), destination: optional(Schema.String) })

/**
 * A request to watch a folder. The JSON form of Protocol Buffers has two spellings of each name. A sandbox has no network
 * mounts that `allowNetworkMounts` could allow, so it is ignored.
 */
const WatchRequest = Schema.Struct({
  path: optional(Schema.String),
  recursive: optional(Schema.Boolean),
  includeEntry: optional(Schema.Boolean),
  include_entry: optional(Schema.Boolean)
})
const WatcherRequest = Schema.Struct({
  watcherId: optional(Schema.String),
  watcher_id: optional(Schema.String)
})

const MAX_DEPTH = 1000

/** An entry in the JSON form of the protocol. */
const encodeEntry = (entry: Entry) => ({
  name: Path.basename(entry.path) || entry.path,
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
  handle: (body: A, account: Account, context: Envd.Context) => Effect.Effect<B, Envd.CallError>
) => {
  const decode = decodeJson(schema)
  return Envd.unary(
    Effect.fn(`FilesystemService.${name}`)(function* (context) {
      const account = yield* Envd.rpcAccount(context)
      const body = yield* decode(yield* unaryText(context.request))
      return yield* handle(body, account, context)
    })
  )
}

const stat = call("stat", PathRequest, ({ path }, account) =>
  callPath(account, path ?? "").pipe(
    Effect.flatMap(account.files.stat),
    Effect.map((entry) => ({ entry: encodeEntry(entry) }))
  )
)

const makeDir = call("makeDir", PathRequest, ({ path }, account) =>
  callPath(account, path ?? "").pipe(
    Effect.flatMap(account.files.makeDir),
    Effect.map((entry) => ({ entry: encodeEntry(entry) }))
  )
)

const remove = call("remove", PathRequest, ({ path }, account) =>
  callPath(account, path ?? "").pipe(Effect.flatMap(account.files.remove), Effect.as({}))
)

const listDir = call("listDir", ListRequest, ({ depth, path }, account) =>
  callPath(account, path ?? "").pipe(
    Effect.flatMap((absolute) => account.files.list(absolute, Math.min(Math.max(depth ?? 1, 1), MAX_DEPTH))),
    Effect.map((entries) => ({ entries: entries.map(encodeEntry) }))
  )
)

const move = call(
  "move",
  MoveRequest,
  Effect.fnUntraced(function* ({ destination, source }, account) {
    const from = yield* callPath(account, source ?? "")
    const to = yield* callPath(account, destination ?? "")
    return { entry: encodeEntry(yield* account.files.move(from, to)) }
  })
)

/** A change in the JSON form of the protocol. The entry is left out when it does not exist any more. */
const encodeChange = (account: Account, folder: string, includeEntry: boolean) =>
  Effect.fnUntraced(function* (change: DirectoryWatcher.Change) {
    if (!includeEntry) return change
    const entry = yield* Effect.option(account.files.stat(Path.join(folder, change.name)))
    return Option.match(entry, {
      onNone: () => change,
      onSome: (found) => ({ ...change, entry: encodeEntry(found) })
    })
  })

const decodeWatch = decodeRequest(WatchRequest)

const watchDir = Envd.streaming(
  Effect.fn("FilesystemService.watchDir")(function* (context) {
    const { request, sandbox } = context
    yield* checkVersion(request.headers)
    const account = yield* Envd.rpcAccount(context)
    const bytes = yield* request.arrayBuffer.pipe(
      Effect.mapError((error) => rpcError("invalid_argument", error.message))
    )
    const body = yield* decodeWatch(new Uint8Array(bytes), request.headers)
    const folder = yield* account.files.folder(yield* callPath(account, body.path ?? ""))
    const changes = yield* DirectoryWatcher.watch(sandbox.runtime, {
      folder,
      recursive: body.recursive ?? false,
      user: account.name
    })
    const encode = encodeChange(account, folder, body.includeEntry ?? body.include_entry ?? false)
    const messages = Stream.mapEffect(changes, (change): Effect.Effect<object> =>
      change === "ready"
        ? Effect.succeed({ start: {} })
        : Effect.map(encode(change), (filesystem) => ({ filesystem }))
    )
    return Envd.messageStream(sandbox, messages, {
      keepalive: { keepalive: {} },
      keepaliveSeconds: keepaliveSeconds(request.headers),
      deadline: Option.match(deadlineMillis(request.headers), {
        onNone: () => Effect.never,
        onSome: sandbox.processes.sleep
      })
    })
  })
)

const createWatcher = call(
  "createWatcher",
  WatchRequest,
  Effect.fnUntraced(function* (body, account, { sandbox }) {
    const folder = yield* account.files.folder(yield* callPath(account, body.path ?? ""))
    const watcherId = yield* sandbox.watchers.create({
      folder,
      recursive: body.recursive ?? false,
      user: account.name,
      encode: encodeChange(account, folder, body.includeEntry ?? body.include_entry ?? false)
    })
    return { watcherId }
  })
)

const idOf = ({ watcherId, watcher_id }: typeof WatcherRequest.Type) => watcherId ?? watcher_id ?? ""

const getWatcherEvents = call("getWatcherEvents", WatcherRequest, (body, _, { sandbox }) =>
  Effect.map(sandbox.watchers.take(idOf(body)), (events) => ({ events }))
)

const removeWatcher = call("removeWatcher", WatcherRequest, (body, _, { sandbox }) =>
  Effect.as(sandbox.watchers.remove(idOf(body)), {})
)

/** The calls of the service. */
export const routes = HttpRouter.addAll([
  HttpRouter.route("POST", "/filesystem.Filesystem/Stat", stat),
  HttpRouter.route("POST", "/filesystem.Filesystem/MakeDir", makeDir),
  HttpRouter.route("POST", "/filesystem.Filesystem/Move", move),
  HttpRouter.route("POST", "/filesystem.Filesystem/ListDir", listDir),
  HttpRouter.route("POST", "/filesystem.Filesystem/Remove", remove),
  HttpRouter.route("POST", "/filesystem.Filesystem/WatchDir", watchDir),
  HttpRouter.route("POST", "/filesystem.Filesystem/CreateWatcher", createWatcher),
  HttpRouter.route("POST", "/filesystem.Filesystem/GetWatcherEvents", getWatcherEvents),
  HttpRouter.route("POST", "/filesystem.Filesystem/RemoveWatcher", removeWatcher)
])
