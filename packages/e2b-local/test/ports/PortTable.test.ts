import { describeOnce } from "#test/once"
import { assert, it as top, layer } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { type Sandbox, SandboxError } from "e2b"
import * as Http from "node:http"
import type { Duplex } from "node:stream"
import * as PortTable from "../../src/ports/PortTable.ts"
import {
  Server,
  eventually,
  failure,
  isolated,
  modes,
  sandbox,
  sdk,
  serverLayer,
  byMode
} from "../support/support.ts"

interface Reply {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: string
}

/** A request to the server as a client sends it that resolves `*.localhost` itself, as browsers and curl do. */
const ask = (path: string, options: Http.RequestOptions, body = "") =>
  Effect.flatMap(Server, ({ url }) =>
    Effect.callback<Reply>((resume) => {
      const request = Http.request(`${url}${path}`, { agent: false, ...options }, (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () =>
          resume(
            Effect.succeed({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks).toString()
            })
          )
        )
      })
      request.end(body)
    })
  )

// Tells what it was asked, and echoes what an upgraded connection says.
const program = `
const server = require("http").createServer((request, response) => {
  if (request.url === "/stream") { response.write("first"); return }
  const chunks = []; request.on("data", (chunk) => chunks.push(chunk)).on("end", () => {
    response.writeHead(201, "Made", { "x-seen": request.headers.host, "set-cookie": ["a=1", "b=2"] });
    response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks).length })) })
});
server.on("upgrade", (request, socket, head) => {
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n"); socket.pipe(socket) });
server.listen(0, "127.0.0.1", () => console.log(server.address().port));`

/** Runs a web server in a sandbox and gives its port. */
const serve = Effect.fnUntraced(function* (box: Sandbox) {
  yield* sdk(() => box.files.write("server.js", program))
  const handle = yield* sdk(() => box.commands.run("exec node server.js", { background: true, timeoutMs: 0 }))
  yield* eventually(Effect.sync(() => handle.stdout.endsWith("\n")))
  return { port: Number(handle.stdout), end: sdk(() => handle.kill()) }
})

const upgrade = (path: string, headers: Http.OutgoingHttpHeaders) =>
  Effect.flatMap(Server, ({ url }) =>
    Effect.acquireRelease(
      Effect.callback<{ readonly status: number; readonly socket: Duplex }>((resume) => {
        const request = Http.request(`${url}${path}`, {
          agent: false,
          headers: { connection: "Upgrade", upgrade: "echo", ...headers }
        })
        request.on("upgrade", ({ statusCode = 0 }, socket) =>
          resume(Effect.succeed({ status: statusCode, socket }))
        )
        request.on("response", (response) =>
          resume(Effect.succeed({ status: response.statusCode ?? 0, socket: response.socket }))
        )
        request.end()
      }),
      ({ socket }) => Effect.sync(() => socket.destroy())
    )
  )

const nextData = (socket: Duplex) =>
  Effect.callback<string>((resume) => {
    socket.once("data", (chunk: Buffer) => resume(Effect.succeed(chunk.toString())))
    socket.once("close", () => resume(Effect.succeed("closed")))
  })

const status = (headers: Http.OutgoingHttpHeaders) =>
  Effect.map(ask("/", { headers }), (reply) => reply.status)

const target = (headers: Http.IncomingHttpHeaders) => Option.getOrUndefined(PortTable.targetOf(headers))

const networks = (mode: string) => (mode === "none" ? [true] : [true, false])

byMode(modes, "a server in a sandbox", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    for (const allowInternetAccess of networks(mode)) {
      const kind = allowInternetAccess ? "the network of the host" : "a network of its own"

      it.effect(`is reached by the host name that the SDK gives, with ${kind}`, () =>
        Effect.gen(function* () {
          const box = yield* sandbox({ allowInternetAccess })
          const { port } = yield* serve(box)
          const host = box.getHost(port)
          assert.match(host, new RegExp(`^${port}-${box.sandboxId}\\.localhost:\\d+$`))
          const reply = yield* ask(
            "/a%20b?c=d",
            { method: "PUT", headers: { host, "x-mine": "1", "x-access-token": "t", "x-api-key": "k" } },
            "x".repeat(1_000_000)
          )
          assert.strictEqual(reply.status, 201)
          assert.deepStrictEqual(reply.headers["set-cookie"], ["a=1", "b=2"])
          const seen = JSON.parse(reply.body)
          assert.deepInclude(seen, { method: "PUT", url: "/a%20b?c=d", body: 1_000_000 })
          assert.deepInclude(seen.headers, { host, "x-mine": "1" })
          assert.notProperty(seen.headers, "x-access-token")
          assert.notProperty(seen.headers, "x-api-key")
          const upgraded = yield* upgrade("/ws", { host })
          assert.strictEqual(upgraded.status, 101)
          upgraded.socket.write("there and back")
          assert.strictEqual(yield* nextData(upgraded.socket), "there and back")
        })
      )

      it.effect(`is reached by the headers that name sandbox and port, with ${kind}`, () =>
        Effect.gen(function* () {
          const box = yield* sandbox({ allowInternetAccess })
          const { port } = yield* serve(box)
          const headers = { "e2b-sandbox-id": box.sandboxId, "e2b-sandbox-port": `${port}` }
          const reply = yield* ask("/v2/sandboxes", { headers })
          assert.strictEqual(JSON.parse(reply.body).url, "/v2/sandboxes")
          assert.strictEqual(JSON.parse(reply.body).headers.host, `localhost:${port}`)
          const { socket } = yield* upgrade("/", headers)
          socket.write("hi")
          assert.strictEqual(yield* nextData(socket), "hi")
        })
      )

      it.effect(`is told apart from a port that nobody listens at, with ${kind}`, () =>
        Effect.gen(function* () {
          const box = yield* sandbox({ allowInternetAccess })
          const { end, port } = yield* serve(box)
          yield* end
          const host = box.getHost(port)
          yield* eventually(
            Effect.map(ask("/", { headers: { host } }), (reply) => {
              // While it dies its port may still be open.
              if (!reply.body.includes("port is not open")) return false
              assert.deepInclude(JSON.parse(reply.body), { sandboxId: box.sandboxId, port, code: 502 })
              return true
            })
          )
          assert.strictEqual((yield* upgrade("/", { host })).status, 502)
        })
      )
    }

    it.effect("loses its connections when its sandbox is paused and answers again after the resume", () =>
      Effect.gen(function* () {
        const box = yield* sandbox({ timeoutMs: 60_000 })
        const waking = yield* sandbox({
          timeoutMs: 60_000,
          lifecycle: { onTimeout: "pause", autoResume: true }
        })
        const { port } = yield* serve(box)
        const host = box.getHost(port)
        const { socket } = yield* upgrade("/", { host })
        socket.write("x")
        yield* nextData(socket)
        const closed = yield* Effect.forkChild(nextData(socket))
        yield* sdk(() => box.pause())
        assert.strictEqual(yield* Fiber.join(closed), "closed")
        assert.strictEqual((yield* ask("/", { headers: { host } })).status, 502)
        yield* sdk(() => box.connect())
        assert.strictEqual((yield* ask("/", { headers: { host } })).status, 201)
        const other = waking.getHost((yield* serve(waking)).port)
        yield* sdk(() => waking.pause())
        assert.strictEqual((yield* ask("/", { headers: { host: other } })).status, 201)
      })
    )

    it.effect("refuses other web pages, unknown ids, and requests after its end", () =>
      Effect.gen(function* () {
        const { client } = yield* Server
        const box = yield* sdk(() => client.Sandbox.create())
        const host = box.getHost((yield* serve(box)).port)
        assert.strictEqual(yield* status({ host, origin: `http://${host}` }), 201)
        assert.strictEqual(yield* status({ host, origin: "http://evil.example" }), 403)
        assert.strictEqual((yield* upgrade("/", { host, origin: "http://evil.example" })).status, 403)
        assert.strictEqual(yield* status({ host: `80-${box.sandboxId}.evil.example` }), 403)
        assert.strictEqual(yield* status({ host: host.replace(/-i./, "-i_") }), 403)
        assert.strictEqual(yield* status({ host: "3000-i0000000000000000000.localhost" }), 502)
        yield* sdk(() => box.kill())
        assert.strictEqual(yield* status({ host }), 502)
      })
    )
  })
})

byMode(isolated, "a server that is not public", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("is reached with the traffic token alone", () =>
      Effect.gen(function* () {
        const box = yield* sandbox({ allowInternetAccess: false, network: { allowPublicTraffic: false } })
        const host = box.getHost((yield* serve(box)).port)
        const token = box.trafficAccessToken ?? assert.fail("no token")
        const withHost = (headers: Http.OutgoingHttpHeaders) => status({ host, ...headers })
        assert.strictEqual(yield* withHost({}), 403)
        assert.strictEqual(yield* withHost({ "e2b-traffic-access-token": "wrong" }), 403)
        assert.strictEqual(yield* withHost({ "e2b-traffic-access-token": token }), 201)
        assert.strictEqual((yield* upgrade("/", { host })).status, 403)
        assert.isFalse((yield* sdk(() => box.getInfo())).network?.allowPublicTraffic)
        // The whole machine would reach it all the same.
        const { client } = yield* Server
        const refused = yield* failure(() =>
          client.Sandbox.create({ network: { allowPublicTraffic: false } })
        )
        assert.strictEqual(refused instanceof SandboxError && refused.statusCode, 400)
      })
    )
  })
})

describeOnce("the target of a request", () => {
  top.effect("is a sandbox only when a name or both headers say so", () =>
    Effect.sync(() => {
      const one = { sandboxId: "iabc", port: 3000 }
      assert.deepStrictEqual(target({ host: "3000-iabc.localhost:80" }), { ...one, byName: true })
      assert.deepStrictEqual(target({ host: "3000-IABC.LOCALHOST" }), { ...one, byName: true })
      assert.deepStrictEqual(target({ "e2b-sandbox-id": "iabc", "e2b-sandbox-port": "3000" }), {
        ...one,
        byName: false
      })
      for (const headers of [
        {},
        { host: "127.0.0.1:80" },
        { host: "3000-iabc.localhost.evil.example" },
        { host: "0-iabc.localhost" },
        { host: "65536-iabc.localhost" },
        { host: "3000-.localhost" },
        { host: "x3000-iabc.localhost" },
        { "e2b-sandbox-id": "iabc" },
        { "e2b-sandbox-id": "iabc", "e2b-sandbox-port": "49983" },
        { "e2b-sandbox-id": "iabc", "e2b-sandbox-port": "3000x" },
        { "e2b-sandbox-port": "3000" }
      ]) {
        assert.isUndefined(target(headers), JSON.stringify(headers))
      }
    })
  )
})
