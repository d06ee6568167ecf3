/**
 * `/files` of envd: contents of files, streamed in both directions. Also the small routes of envd that are plain HTTP.
 *
 * @since 0.1.0
 */
import { DateTime, Effect, Pull, Schema, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import * as MultipartParser from "@effect/platform-node/NodeMultipartParser"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Path from "node:path/posix"
import { type ApiError, refuse } from "../api/ApiError.ts"
import type { Account, Content, FileError, Metadata } from "../isolation/SandboxRuntime.ts"
import { decodedBody, gzipped, wantsGzip } from "./ConnectProtocol.ts"
import * as ByteRange from "./byteRange.ts"
import * as ContentType from "./contentType.ts"
import * as Envd from "./Envd.ts"
import { resolvePath } from "./paths.ts"
import { sandboxVariables } from "./ProcessService.ts"
import * as SignedUrl from "./SignedUrl.ts"

const Query = Schema.Struct({
  path: Schema.optionalKey(Schema.String),
  username: Schema.optionalKey(Schema.String)
})

const bad = (message: string) => refuse(400, message)

const query = Effect.fnUntraced(function* ({ request, sandbox }: Envd.Context) {
  const url = new URL(request.url, "http://localhost")
  const found = yield* Schema.decodeEffect(Query)(HttpServerRequest.searchParamsFromURL(url)).pipe(
    Effect.mapError(() => bad("path and username may be given once"))
  )
  const account = yield* Effect.fromResult(Envd.accountOf(sandbox, found.username)).pipe(
    Effect.mapError((message) => refuse(401, message))
  )
  return { path: found.path, account }
})

const absolute = (account: Account, path: string) =>
  Effect.mapError(Effect.fromResult(resolvePath(account.home, path)), bad)

const readFailed = (path: string) => (error: FileError) =>
  error.reason === "NotFound"
    ? refuse(404, `path '${path}' does not exist`)
    : error.reason === "IsDirectory"
      ? bad(`path '${path}' is a directory`)
      : Envd.toApiError(error)

/** A quoted file name in a header, in UTF-8 where ASCII is not enough. */
const disposition = (path: string): string => {
  const name = Path.basename(path)
  return /^[\x20-\x7e]*$/.test(name)
    ? `inline; filename="${name.replaceAll(/["\\]/g, "\\$&")}"`
    : `inline; filename*=utf-8''${encodeURIComponent(name)}`
}

/**
 * Ends a stream as soon as it has given `length` bytes.
 *
 * **Details**
 *
 * A client has the whole answer at that moment and may send the next request on the same connection, such as the one that
 * kills the sandbox. Nothing may fail this response from then on, because that would close the connection. So this is the
 * outermost operator of a body, around the one that ends it with the sandbox.
 */
const exactly = <E>(bytes: Stream.Stream<Uint8Array, E>, length: number) => {
  let left = length
  return Stream.takeUntil(bytes, (chunk) => {
    left -= chunk.length
    return left <= 0
  })
}

/** The content with its first chunk read, so that its type and emptiness are known before the response starts. */
const peek = Effect.fnUntraced(function* (bytes: Stream.Stream<Uint8Array, FileError>) {
  const pull = yield* Stream.toPull(bytes)
  const first = yield* pull.pipe(
    Effect.map((chunks) => chunks as ReadonlyArray<Uint8Array>),
    Pull.catchDone(() => Effect.succeed([]))
  )
  return {
    head: first[0] ?? new Uint8Array(0),
    isEmpty: first.length === 0,
    bytes:
      first.length === 0
        ? Stream.empty
        : Stream.concat(Stream.fromIterable(first), Stream.fromPull(Effect.succeed(pull)))
  }
})

const notModified = (header: string | undefined, modified: number): boolean => {
  const since = header === undefined ? NaN : Date.parse(header)
  return since >= modified * 1000
}

/** Whether a `Range` header counts: not when `If-Range` names another version of the file. */
const rangeOf = (headers: HttpServerRequest.HttpServerRequest["headers"], modified: number) =>
  headers["if-range"] === undefined || Date.parse(headers["if-range"]) === modified * 1000
    ? headers["range"]
    : undefined

const typeOf = Effect.fnUntraced(function* (account: Account, target: string) {
  const known = ContentType.ofName(target)
  if (known !== undefined) return known
  const { bytes } = yield* account.files.read(target)
  const { head } = yield* peek(bytes({ start: 0, length: ContentType.SNIFFED_BYTES }))
  return ContentType.ofBytes(head)
})

const part = Effect.fnUntraced(function* (
  { sandbox }: Envd.Context,
  account: Account,
  target: string,
  content: Content,
  range: { readonly start: number; readonly length: number },
  headers: Record<string, string>
) {
  const contentType = yield* typeOf(account, target)
  const body = exactly(Envd.whileRunning(sandbox, content.bytes(range)), range.length)
  return HttpServerResponse.stream(body, {
    status: 206,
    contentType,
    contentLength: range.length,
    headers: {
      ...headers,
      "content-range": `bytes ${range.start}-${range.start + range.length - 1}/${content.size ?? 0}`
    }
  })
})

const whole = Effect.fnUntraced(function* (
  { request, sandbox }: Envd.Context,
  target: string,
  content: Content,
  headers: Record<string, string>
) {
  const { bytes, head, isEmpty } = yield* peek(content.bytes())
  const contentType = ContentType.ofName(target) ?? ContentType.ofBytes(head)
  if (isEmpty) return HttpServerResponse.uint8Array(new Uint8Array(0), { contentType, headers })
  if (wantsGzip(request.headers["accept-encoding"]) && request.headers["range"] === undefined) {
    return HttpServerResponse.stream(Envd.whileRunning(sandbox, gzipped(bytes)), {
      contentType,
      headers: { ...headers, "content-encoding": "gzip" }
    })
  }
  return content.size === undefined
    ? HttpServerResponse.stream(Envd.whileRunning(sandbox, bytes), { contentType, headers })
    : HttpServerResponse.stream(exactly(Envd.whileRunning(sandbox, bytes), content.size), {
        contentType,
        contentLength: content.size,
        headers
      })
})

const download = Effect.fn("FileTransfer.download")(function* (context: Envd.Context) {
  const { account, path = "" } = yield* query(context)
  const target = yield* absolute(account, path)
  const { headers: asked } = context.request
  return yield* Effect.gen(function* () {
    const content = yield* account.files.read(target)
    const headers = {
      vary: "Accept-Encoding",
      "accept-ranges": "bytes",
      "last-modified": DateTime.toDateUtc(DateTime.makeUnsafe(content.modified * 1000)).toUTCString(),
      "content-disposition": disposition(target)
    }
    if (notModified(asked["if-modified-since"], content.modified)) {
      return HttpServerResponse.empty({ status: 304, headers })
    }
    if (content.size === undefined) return yield* whole(context, target, content, headers)
    const selected = ByteRange.select(rangeOf(asked, content.modified), content.size)
    switch (selected._tag) {
      case "Whole":
        return yield* whole(context, target, content, headers)
      case "Part":
        return yield* part(context, account, target, content, selected.range, headers)
      case "Refused":
        return HttpServerResponse.text(`${selected.message}\n`, {
          status: 416,
          headers: selected.unsatisfiable ? { "content-range": `bytes */${content.size}` } : {}
        })
    }
  }).pipe(Effect.catchTag("FileError", (error) => Effect.fail(readFailed(target)(error))))
})

const HEADER = "x-metadata-"

const metadataOf = (headers: Readonly<Record<string, string | undefined>>): Metadata =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith(HEADER) && name !== HEADER && value !== undefined
        ? [[name.slice(HEADER.length), value]]
        : []
    )
  )

/**
 * The parts of a form.
 *
 * **Details**
 *
 * Every part is read as a file. By default the parser reads a part without a file name, and Effect's wrapper a part with
 * the type `application/json`, as a field of limited size, and the content of such a file would be lost.
 */
const formParts = (
  body: Stream.Stream<Uint8Array, ApiError>,
  { headers }: HttpServerRequest.HttpServerRequest
) =>
  NodeStream.pipeThroughDuplex(body, {
    evaluate: () =>
      MultipartParser.make({
        headers: { ...headers },
        isFile: () => true,
        maxParts: Infinity,
        maxPartSize: Infinity,
        maxTotalSize: Infinity
      }),
    onError: (cause) => bad(`error reading form: ${describe(cause)}`)
  }) as unknown as Stream.Stream<MultipartParser.FileStream, ApiError>

const describe = (cause: unknown): string =>
  cause instanceof Error
    ? cause.message
    : typeof cause === "object" && cause !== null && "_tag" in cause
      ? String(cause._tag)
      : "it is not valid"

const upload = Effect.fn("FileTransfer.upload")(function* (context: Envd.Context) {
  const { request } = context
  const { account, path } = yield* query(context)
  const metadata = metadataOf(request.headers)
  const write = <E>(target: string, content: Stream.Stream<Uint8Array, E>) =>
    account.files.write(target, content, metadata)
  const written = (file: string) => ({
    name: Path.basename(file),
    type: "file",
    path: file,
    ...(Object.keys(metadata).length > 0 ? { metadata } : {})
  })
  const contentType = request.headers["content-type"] ?? ""
  const mediaType = (contentType.split(";", 1)[0] ?? "").trim().toLowerCase()
  if (mediaType === "application/octet-stream") {
    if (path === undefined) return yield* bad("path query parameter is required for raw body upload")
    const target = yield* absolute(account, path)
    yield* write(target, yield* decodedBody(request))
    return HttpServerResponse.jsonUnsafe([written(target)])
  }
  if (!mediaType.startsWith("multipart/")) {
    return yield* bad(
      `unsupported content type: ${contentType}, expected multipart/form-data or application/octet-stream`
    )
  }
  const paths: Array<string> = []
  yield* Stream.runForEach(
    formParts(yield* decodedBody(request), request),
    Effect.fnUntraced(function* (file) {
      if (file.info.name !== "file") return void file.resume()
      const name = path ?? file.info.filename
      if (name === undefined) return yield* bad("filename not found in Content-Disposition header")
      const target = yield* absolute(account, name)
      if (paths.includes(target)) {
        return yield* bad(
          `you cannot upload multiple files to the same path '${target}' in one upload request, only the first specified file was uploaded`
        )
      }
      const content = NodeStream.fromReadable<Uint8Array, ApiError>({
        evaluate: () => file,
        onError: (cause) => bad(`error reading form: ${describe(cause)}`)
      })
      yield* write(target, content)
      paths.push(target)
    })
  )
  return HttpServerResponse.jsonUnsafe(paths.map(written))
})

const refusing = (handle: (context: Envd.Context) => ReturnType<typeof upload>) => (context: Envd.Context) =>
  Effect.catchTag(handle(context), "FileError", (error) => Effect.fail(Envd.toApiError(error)))

/** Usage of the sandbox in envd's form. */
const metrics = Effect.fnUntraced(function* ({ sandbox }: Envd.Context) {
  yield* sandbox.metrics.sample
  const last = sandbox.metrics.between(0, Infinity).at(-1)
  if (last === undefined) return yield* refuse(501, "this host does not report the usage of a sandbox")
  return HttpServerResponse.jsonUnsafe(
    {
      ts: last.timestampUnix,
      cpu_count: last.cpuCount,
      cpu_used_pct: last.cpuUsedPct,
      mem_total: last.memTotal,
      mem_used: last.memUsed,
      mem_cache: last.memCache,
      disk_used: last.diskUsed,
      disk_total: last.diskTotal
    },
    { headers: { "cache-control": "no-store" } }
  )
})

const variables = ({ sandbox }: Envd.Context) =>
  Effect.succeed(
    HttpServerResponse.jsonUnsafe(sandboxVariables(sandbox), { headers: { "cache-control": "no-store" } })
  )

/** The routes of envd that are plain HTTP. */
export const routes = HttpRouter.addAll([
  HttpRouter.route("GET", "/files", Envd.route(download, SignedUrl.admit("read"))),
  HttpRouter.route("POST", "/files", Envd.route(refusing(upload), SignedUrl.admit("write"))),
  HttpRouter.route("GET", "/metrics", Envd.route(metrics)),
  HttpRouter.route("GET", "/envs", Envd.route(variables)),
  HttpRouter.route("GET", "/health", Envd.health)
])
