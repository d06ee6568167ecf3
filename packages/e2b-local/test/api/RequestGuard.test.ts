import { assert, describe, it as top, layer } from "@effect/vitest"
import { Effect } from "effect"
import { AuthenticationError } from "e2b"
import * as Http from "node:http"
import { isLoopbackHost, sameSecret } from "../../src/api/RequestGuard.ts"
import { best, clientOf, failure, sandbox, Server, serverLayer } from "../support/support.ts"

interface Reply {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: string
}

const ask = (url: string, options: Http.RequestOptions, body = "") =>
  Effect.callback<Reply>((resume) => {
    const request = Http.request(url, { agent: false, ...options }, (response) => {
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

describe("the server", () => {
  layer(serverLayer({ isolation: best }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("refuses a wrong API key and a missing one", () =>
      Effect.gen(function* () {
        const { live, url } = yield* Server
        assert.instanceOf(
          yield* failure(() => clientOf(url, "e2b_wrong").Sandbox.create()),
          AuthenticationError
        )
        const reply = yield* ask(`${url}/v2/sandboxes`, { method: "GET" })
        assert.strictEqual(reply.status, 401)
        assert.strictEqual(JSON.parse(reply.body).code, 401)
        assert.strictEqual(yield* live, 0)
      })
    )

    it.effect("refuses web pages and other host names, whatever key they have", () =>
      Effect.gen(function* () {
        const { apiKey, url } = yield* Server
        const headers = { "x-api-key": apiKey }
        const plain = yield* ask(`${url}/v2/sandboxes`, { headers })
        assert.strictEqual(plain.status, 200)
        for (const name of Object.keys(plain.headers)) assert.notInclude(name, "access-control")
        for (const bad of [
          { origin: "http://evil.example" },
          { origin: "null" },
          { host: "evil.example" },
          { host: "127.0.0.1.evil.example:80" }
        ]) {
          const reply = yield* ask(`${url}/v2/sandboxes`, { headers: { ...headers, ...bad } })
          assert.strictEqual(reply.status, 403, JSON.stringify(bad))
        }
        const preflight = yield* ask(`${url}/v2/sandboxes`, {
          method: "OPTIONS",
          headers: { origin: "http://evil.example", "access-control-request-method": "POST" }
        })
        assert.strictEqual(preflight.status, 403)
      })
    )

    it.effect("refuses requests into a sandbox without the token of that sandbox", () =>
      Effect.gen(function* () {
        const { apiKey, client, url } = yield* Server
        const one = yield* sandbox()
        const two = yield* sandbox()
        const create = yield* ask(
          `${url}/v2/sandboxes/${two.sandboxId}/connect`,
          { method: "POST", headers: { "x-api-key": apiKey } },
          "{}"
        )
        const token: string = JSON.parse(create.body).envdAccessToken
        const call = (headers: Record<string, string>) =>
          ask(
            `${url}/process.Process/List`,
            { method: "POST", headers: { "content-type": "application/json", ...headers } },
            "{}"
          )
        const status = (headers: Record<string, string>) => Effect.map(call(headers), (reply) => reply.status)
        assert.strictEqual(yield* status({ "e2b-sandbox-id": two.sandboxId, "x-access-token": token }), 200)
        assert.strictEqual(yield* status({ "e2b-sandbox-id": one.sandboxId, "x-access-token": token }), 401)
        assert.strictEqual(yield* status({ "e2b-sandbox-id": two.sandboxId }), 401)
        assert.strictEqual(yield* status({ "e2b-sandbox-id": two.sandboxId, "x-api-key": apiKey }), 401)
        assert.strictEqual(yield* status({ "e2b-sandbox-id": "inone", "x-access-token": token }), 502)
        // Older SDKs send the token alone.
        assert.strictEqual(yield* status({ "x-access-token": token }), 200)
        assert.strictEqual(yield* status({ "x-access-token": "wrong" }), 502)
        assert.strictEqual(yield* status({}), 502)
        const file = yield* ask(`${url}/files?path=/etc/passwd`, {
          headers: { "e2b-sandbox-id": one.sandboxId }
        })
        assert.strictEqual(file.status, 401)
        assert.isTrue(
          yield* Effect.promise(() => client.Sandbox.connect(two.sandboxId).then((box) => box.isRunning()))
        )
      })
    )

    it.effect("refuses invalid requests with a status below 500", () =>
      Effect.gen(function* () {
        const { apiKey, url } = yield* Server
        const headers = { "x-api-key": apiKey, "content-type": "application/json" }
        const status = (method: string, path: string, body?: string) =>
          Effect.map(ask(`${url}${path}`, { method, headers }, body), (reply) => reply.status)
        assert.strictEqual(yield* status("POST", "/v2/sandboxes", "{"), 400)
        assert.strictEqual(yield* status("POST", "/v2/sandboxes", "[]"), 400)
        assert.strictEqual(yield* status("POST", "/v2/sandboxes", "{}"), 400)
        assert.strictEqual(yield* status("POST", "/v2/sandboxes", '{"templateID":"base","timeout":-1}'), 400)
        assert.strictEqual(yield* status("GET", "/v2/sandboxes?limit=0"), 400)
        assert.strictEqual(yield* status("GET", "/elsewhere"), 404)
        assert.strictEqual(yield* status("GET", "/volumes"), 501)
        assert.strictEqual(yield* status("GET", "/sandboxes/inone"), 404)
      })
    )
  })
})

describe("the guard", () => {
  top.effect("knows the loopback by its names only", () =>
    Effect.sync(() => {
      for (const host of ["127.0.0.1", "127.0.0.1:80", "localhost:3000", "LOCALHOST", "[::1]:9"]) {
        assert.isTrue(isLoopbackHost(host), host)
      }
      for (const host of [
        undefined,
        "",
        "evil.example",
        "127.0.0.1.nip.io",
        "localhost.evil:80",
        "127.0.0.2",
        "a@127.0.0.1"
      ]) {
        assert.isFalse(isLoopbackHost(host), host)
      }
      assert.isTrue(sameSecret("a", "a"))
      assert.isFalse(sameSecret("a", "ab"))
      assert.isFalse(sameSecret(undefined, "a"))
    })
  )
})
