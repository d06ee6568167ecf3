/**
 * The page over HTTP.
 *
 * @since 0.2.0
 */
import { Effect, type FileSystem, Layer, type Path } from "effect"
import { HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { PageFile, PageFiles } from "./PageFiles.ts"
import * as Files from "./PageFiles.ts"

/**
 * Where the built page is.
 *
 * @category models
 * @since 0.2.0
 */
export interface Page {
  /** The absolute path of a folder with an `index.html`. */
  readonly folder: string
  /** Builds the page. It runs at the first visit if the folder has no page. */
  readonly build?: Effect.Effect<void> | undefined
}

/** Scripts, styles and requests only from this server. Inline code does not run, and no other site can embed the page. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const secure = {
  "content-security-policy": policy,
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
}

/** The paths of the API and of everything that programs read. A mistake in one of them is not answered with the page. */
const isForPrograms = (path: string): boolean =>
  /^\/(?:v\d+|mcp|docs|metrics|healthz|readyz|openapi\.json)(?:\/|$)/.test(path)

/**
 * The path of the file for the path of a request: the file itself, else the page for an address within the page.
 * Nothing for a file that does not exist, and for the paths of the API.
 *
 * @category parsing
 * @since 0.2.0
 */
export const pathOf = (files: PageFiles, path: string): string | undefined => {
  if (isForPrograms(path)) return undefined
  if (files.has(path)) return path
  const last = path.slice(path.lastIndexOf("/") + 1)
  return last.includes(".") || path.startsWith("/assets/") ? undefined : "/index.html"
}

const accepts = (header: string | undefined, encoding: string): boolean =>
  (header ?? "")
    .split(",")
    .map((one) => one.trim())
    .some((one) => one.startsWith(encoding) && !/;\s*q=0(?:\.0*)?$/.test(one))

/** The smallest encoding of a file that the client accepts. */
const encoded = (file: PageFile, header: string | undefined) => {
  if (file.br !== undefined && accepts(header, "br")) return { bytes: file.br, encoding: "br" }
  if (file.gzip !== undefined && accepts(header, "gzip")) return { bytes: file.gzip, encoding: "gzip" }
  return { bytes: file.plain, encoding: undefined }
}

const sentFile = (
  file: PageFile,
  path: string,
  { headers }: HttpServerRequest.HttpServerRequest
): HttpServerResponse.HttpServerResponse => {
  const { bytes, encoding } = encoded(file, headers["accept-encoding"])
  const tag = `"${encoding === undefined ? file.tag : `${file.tag}-${encoding}`}"`
  const common = {
    ...secure,
    etag: tag,
    vary: "accept-encoding",
    // The names of assets contain a hash of their contents.
    "cache-control": path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache"
  }
  const known = new Set(
    (headers["if-none-match"] ?? "").split(",").map((one) => one.trim().replace(/^W\//, ""))
  )
  if (known.has(tag) || known.has("*")) {
    return HttpServerResponse.empty({ status: 304, headers: common })
  }
  return HttpServerResponse.uint8Array(bytes, {
    contentType: file.type,
    headers: encoding === undefined ? common : { ...common, "content-encoding": encoding }
  })
}

const missing = HttpServerResponse.text("Not found.\n", { status: 404, headers: secure })

const notBuilt = HttpServerResponse.text(
  "The page is not built. Run `pnpm build` in the workspace, and start the server again.\n",
  { status: 503, headers: secure }
)

/**
 * Serves the page at every path that no other route has, so that an address within the page can be opened directly.
 *
 * **Details**
 *
 * The files are read once, at the first visit. A folder without a page answers with how to build it.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = ({
  build,
  folder
}: Page): Layer.Layer<never, never, FileSystem.FileSystem | HttpRouter.HttpRouter | Path.Path> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const read = Effect.orDie(Files.read(folder))
      const built = Effect.flatMap(read, (files) =>
        files.has("/index.html") || build === undefined ? Effect.succeed(files) : Effect.andThen(build, read)
      )
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
      const files = yield* Effect.cached(Effect.provide(built, context))
      return HttpRouter.add("GET", "/*", (request) =>
        Effect.map(files, (all) => {
          const path = pathOf(all, new URL(request.url, "http://page").pathname)
          if (path === undefined) return missing
          const file = all.get(path)
          return file === undefined ? notBuilt : sentFile(file, path, request)
        })
      )
    })
  )
