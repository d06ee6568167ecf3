import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Path, type PlatformError } from "effect"
import { HttpRouter, HttpServer, type HttpServerError, HttpServerResponse } from "effect/http"
import { createServer, request as httpRequest } from "node:http"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { PageRoutes } from "../../src/index.ts"

const html = "<!doctype html><title>Remote Agent</title>"
const script = `console.log(${JSON.stringify("x".repeat(500))})`

const folder = Effect.gen(function* () {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const root = yield* fs.makeTempDirectoryScoped()
  yield* fs.makeDirectory(path.join(root, "assets"))
  yield* fs.writeFileString(path.join(root, "index.html"), html)
  yield* fs.writeFileString(path.join(root, "secret.key"), "secret")
  yield* fs.writeFileString(path.join(root, "assets/app-1a2b.js"), script)
  yield* fs.writeFile(path.join(root, "assets/app-1a2b.js.br"), brotliCompressSync(script))
  yield* fs.writeFile(path.join(root, "assets/app-1a2b.js.gz"), gzipSync(script))
  return root
})

interface Answer {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly bytes: Buffer
}

/** A request as it stands on the wire: nothing is decompressed and no path is normalized. */
const get = (port: number, path: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.promise(
    () =>
      new Promise<Answer>((resolve, reject) => {
        httpRequest({ host: "127.0.0.1", port, path, headers }, (response) => {
          const chunks: Array<Buffer> = []
          response.on("data", (chunk: Buffer) => chunks.push(chunk))
          response.on("end", () =>
            resolve({
              status: response.statusCode,
              headers: response.headers,
              bytes: Buffer.concat(chunks)
            })
          )
        })
          .on("error", reject)
          .end()
      })
  )

const served = Effect.fnUntraced(function* (root: string, build?: Effect.Effect<void>) {
  const routes = Layer.merge(
    HttpRouter.add("GET", "/v1/agents", HttpServerResponse.text("agents")),
    PageRoutes.layer({ folder: root, build })
  )
  const context = yield* Layer.build(
    HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
    )
  )
  const { address } = yield* Effect.provide(HttpServer.HttpServer, context)
  return Number(new URL(HttpServer.formatAddress(address)).port)
})

const test = (
  name: string,
  body: Effect.Effect<
    void,
    PlatformError.PlatformError | HttpServerError.ServeError,
    Layer.Success<typeof NodeServices.layer>
  >
) => it.live(name, () => Effect.provide(body, NodeServices.layer))

describe("The page over HTTP", () => {
  test(
    "is served at every address within the page, under a policy that runs no inline code",
    Effect.scoped(
      Effect.gen(function* () {
        const port = yield* served(yield* folder)
        for (const path of ["/", "/index.html", "/agents/agt_1", "/pools?status=open"]) {
          const { bytes, headers, status } = yield* get(port, path)
          assert.deepStrictEqual([status, bytes.toString()], [200, html], path)
          assert.strictEqual(headers["cache-control"], "no-cache")
          const policy = String(headers["content-security-policy"])
          assert.include(policy, "default-src 'none'")
          assert.include(policy, "script-src 'self'")
          assert.notMatch(policy, /unsafe|https?:|\*/)
        }
      })
    )
  )

  test(
    "leaves the API alone: its routes answer, and a mistake in their paths is not found",
    Effect.scoped(
      Effect.gen(function* () {
        const port = yield* served(yield* folder)
        assert.strictEqual((yield* get(port, "/v1/agents")).bytes.toString(), "agents")
        for (const path of ["/v1/agent", "/v1", "/metrics/x", "/mcp", "/assets/none", "/none.js"]) {
          assert.strictEqual((yield* get(port, path)).status, 404, path)
        }
      })
    )
  )

  test(
    "serves nothing outside the folder, and no file that is not part of a page",
    Effect.scoped(
      Effect.gen(function* () {
        const root = yield* folder
        const port = yield* served(root)
        const paths = [
          "/secret.key",
          "/../etc/passwd",
          "/..%2f..%2fetc%2fpasswd",
          "//etc/passwd",
          "/assets/../secret.key"
        ]
        for (const path of paths) {
          const { bytes } = yield* get(port, path)
          assert.notMatch(bytes.toString(), /secret|root:/, path)
        }
      })
    )
  )

  test(
    "serves a script compressed as the client accepts it, and forever",
    Effect.scoped(
      Effect.gen(function* () {
        const port = yield* served(yield* folder)
        const of = (accept: string) => get(port, "/assets/app-1a2b.js", { "accept-encoding": accept })
        const br = yield* of("gzip, deflate, br")
        assert.strictEqual(br.headers["content-encoding"], "br")
        assert.deepStrictEqual(br.bytes, brotliCompressSync(script))
        assert.include(String(br.headers["cache-control"]), "immutable")
        assert.strictEqual((yield* of("gzip")).headers["content-encoding"], "gzip")
        assert.strictEqual((yield* of("br;q=0")).headers["content-encoding"], undefined)
        assert.strictEqual((yield* of("identity")).bytes.toString(), script)
      })
    )
  )

  test(
    "answers with no body when the client has the file already",
    Effect.scoped(
      Effect.gen(function* () {
        const port = yield* served(yield* folder)
        const first = yield* get(port, "/")
        const again = yield* get(port, "/agents", {
          "if-none-match": `W/"x", ${String(first.headers["etag"])}`
        })
        assert.deepStrictEqual([again.status, again.bytes.length], [304, 0])
        const other = yield* get(port, "/", { "if-none-match": `"x"` })
        assert.strictEqual(other.status, 200)
      })
    )
  )

  test(
    "a folder without a page says how to build it",
    Effect.scoped(
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const port = yield* served(yield* fs.makeTempDirectoryScoped())
        const { bytes, status } = yield* get(port, "/")
        assert.strictEqual(status, 503)
        assert.include(bytes.toString(), "pnpm build")
      })
    )
  )

  test(
    "is built once, at the first visit, when it was not built before",
    Effect.scoped(
      Effect.gen(function* () {
        const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
        const root = yield* fs.makeTempDirectoryScoped()
        let builds = 0
        const build = Effect.suspend(() => {
          builds++
          return Effect.orDie(fs.writeFileString(path.join(root, "index.html"), html))
        })
        const port = yield* served(root, build)
        assert.strictEqual(builds, 0)
        const visits = yield* Effect.all([get(port, "/"), get(port, "/pools")], { concurrency: 2 })
        assert.deepStrictEqual(
          visits.map(({ bytes }) => bytes.toString()),
          [html, html]
        )
        assert.strictEqual(builds, 1)
      })
    )
  )
})
