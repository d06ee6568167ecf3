/**
 * `/files` of envd: contents of files, streamed both ways.
 *
 * @since 0.1.0
 */
import { Effect, Schema, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import * as Path from "node:path/posix"
import { ApiError } from "../api/ApiError.ts"
import * as Encoding from "./Encoding.ts"
import * as Envd from "./Envd.ts"
import { resolvePath } from "./FilesystemService.ts"
import type { Metadata } from "../isolation/SandboxRuntime.ts"
import { isCarriable } from "../isolation/shell.ts"
import * as SignedUrl from "./SignedUrl.ts"

const Query = Schema.Struct({
  path: Schema.optionalKey(Schema.String),
  username: Schema.optionalKey(Schema.String)
})

const bad = (message: string) => new ApiError({ status: 400, message })

const query = Effect.fnUntraced(function* (context: Envd.Context) {
  const url = new URL(context.request.url, "http://localhost")
  const found = yield* Schema.decodeEffect(Query)(HttpServerRequest.searchParamsFromURL(url)).pipe(
    Effect.mapError(() => bad("path and username may be given once"))
  )
  yield* Effect.fromResult(Envd.checkUser(found.username)).pipe(
    Effect.mapError((message) => new ApiError({ status: 401, message }))
  )
  return found
})

const absolute = (context: Envd.Context, path: string) =>
  isCarriable(path)
    ? Effect.succeed(resolvePath(context.sandbox.machine.home, path))
    : Effect.fail(bad("the path contains a NUL byte"))

const download = Effect.fn("FilesService.download")(function* (context: Envd.Context) {
  const { path = "" } = yield* query(context)
  const { files } = context.sandbox.machine
  const target = yield* absolute(context, path)
  const content = yield* files.read(target)
  const contentType = "application/octet-stream"
  // The SDK takes the length 0 for the sign of an empty file.
  if (content.size !== 0 && Encoding.wantsGzip(context.request.headers["accept-encoding"])) {
    return HttpServerResponse.stream(Envd.severable(context.sandbox, Encoding.gzipped(content.bytes)), {
      contentType,
      headers: { "content-encoding": "gzip", vary: "accept-encoding" }
    })
  }
  return HttpServerResponse.stream(Envd.severable(context.sandbox, content.bytes), {
    contentType,
    ...(content.size === undefined ? {} : { contentLength: content.size })
  })
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

const upload = Effect.fn("FilesService.upload")(function* (context: Envd.Context) {
  const { request, sandbox } = context
  const { path } = yield* query(context)
  const { files } = sandbox.machine
  const metadata = metadataOf(request.headers)
  const noted = Object.keys(metadata).length > 0
  const write = Effect.fnUntraced(function* <E>(target: string, content: Stream.Stream<Uint8Array, E>) {
    yield* files.write(target, content)
    if (noted) yield* files.annotate(target, metadata)
  })
  const written = (file: string) => ({
    name: Path.basename(file),
    type: "file",
    path: file,
    ...(noted ? { metadata } : {})
  })
  if (request.headers["content-type"]?.startsWith("multipart/form-data") !== true) {
    if (path === undefined) return yield* bad("the query parameter path is missing")
    const target = yield* absolute(context, path)
    yield* write(target, yield* Encoding.decodedBody(request))
    return HttpServerResponse.jsonUnsafe([written(target)])
  }
  if (request.headers["content-encoding"] !== undefined) {
    return yield* bad("a form cannot be compressed here: send application/octet-stream")
  }
  const paths: Array<string> = []
  yield* request.multipartStream.pipe(
    Stream.runForEach(
      Effect.fnUntraced(function* (part) {
        if (part._tag !== "File" || part.key !== "file") return
        const target = yield* absolute(context, path ?? part.name)
        yield* write(target, part.content)
        paths.push(target)
      })
    ),
    Effect.catchTag("MultipartError", (error) =>
      Effect.fail(bad(`the form cannot be read: ${error.message}`))
    )
  )
  if (paths.length === 0) return yield* bad("the form holds no part named file")
  return HttpServerResponse.jsonUnsafe(paths.map(written))
})

/** GET and POST of contents, and `/health`. */
export const routes = HttpRouter.addAll([
  HttpRouter.route("GET", "/files", Envd.route(download, SignedUrl.admit("read"))),
  HttpRouter.route("POST", "/files", Envd.route(upload, SignedUrl.admit("write"))),
  HttpRouter.route("GET", "/health", Envd.health)
])
