/**
 * `/files` of envd: contents of files, streamed both ways.
 *
 * @since 0.1.0
 */
import { Effect, Schema, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import * as Path from "node:path/posix"
import { ApiError } from "./ApiError.ts"
import * as Envd from "./Envd.ts"
import { resolvePath } from "./FilesystemService.ts"
import { isCarriable } from "./Shell.ts"

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
  return HttpServerResponse.stream(Envd.severable(context.sandbox, content.bytes), {
    contentType: "application/octet-stream",
    ...(content.size === undefined ? {} : { contentLength: content.size })
  })
})

const written = (path: string) => ({ name: Path.basename(path), type: "file", path })

const upload = Effect.fn("FilesService.upload")(function* (context: Envd.Context) {
  const { request, sandbox } = context
  const { path } = yield* query(context)
  const { files } = sandbox.machine
  if (Object.keys(request.headers).some((name) => name.startsWith("x-metadata-"))) {
    return yield* bad("metadata of files is not available in local sandboxes")
  }
  if (request.headers["content-encoding"] !== undefined) {
    return yield* bad("compressed uploads are not available in local sandboxes")
  }
  if (request.headers["content-type"]?.startsWith("multipart/form-data") !== true) {
    if (path === undefined) return yield* bad("the query parameter path is missing")
    const target = yield* absolute(context, path)
    yield* files
      .write(target, request.stream)
      .pipe(
        Effect.catchTag("HttpServerError", (error) =>
          Effect.fail(bad(`the body broke off: ${error.message}`))
        )
      )
    return HttpServerResponse.jsonUnsafe([written(target)])
  }
  const paths: Array<string> = []
  yield* request.multipartStream.pipe(
    Stream.runForEach(
      Effect.fnUntraced(function* (part) {
        if (part._tag !== "File" || part.key !== "file") return
        const target = yield* absolute(context, path ?? part.name)
        yield* files.write(target, part.content)
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
  HttpRouter.route("GET", "/files", Envd.route(download)),
  HttpRouter.route("POST", "/files", Envd.route(upload)),
  HttpRouter.route("GET", "/health", Envd.health)
])
