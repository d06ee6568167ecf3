import { describeOnce } from "#test/once"
import { amount } from "#test/tier"
import { assert, it as top, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Http from "node:http"
import { fileURLToPath } from "node:url"
import * as Zlib from "node:zlib"
import * as ByteRange from "../../src/envd/byteRange.ts"
import * as ContentType from "../../src/envd/contentType.ts"
import * as HostProcess from "../../src/host/HostProcess.ts"
import { api, envdHeaders, send } from "../support/http.ts"
import {
  best,
  eventually,
  modes,
  noise,
  output,
  byMode,
  sandbox,
  sdk,
  Server,
  serverLayer
} from "../support/support.ts"

/** A form as any program may write it: the headers of each part are given literally. */
const form = (parts: ReadonlyArray<readonly [headers: string, body: string]>) => ({
  type: "multipart/form-data; boundary=xyz",
  body: `${parts.map(([headers, body]) => `--xyz\r\n${headers}\r\n\r\n${body}\r\n`).join("")}--xyz--\r\n`
})

const file = (name: string, type?: string) =>
  `Content-Disposition: form-data; name="file"; filename="${name}"${type === undefined ? "" : `\r\nContent-Type: ${type}`}`

byMode(modes, "uploads", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("keep every part named file, whatever its type and size", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const large = "x".repeat(2_000_000)
        const { body, type } = form([
          [file("up/a.json", "application/json"), '{"a":1}'],
          [file("up/b.txt", "text/plain"), "b"],
          [file("up/c.json", "application/json"), large],
          [file("up/d", "multipart/mixed"), "d"],
          [file("up/e"), ""],
          [`Content-Disposition: form-data; name="file"; filename*=UTF-8''up%2F%C3%A9`, "é"],
          ['Content-Disposition: form-data; name="other"\r\nContent-Type: text/plain', large]
        ])
        const headers = { ...(yield* envdHeaders(box)), "content-type": type }
        const reply = yield* send("/files", { method: "POST", headers, body })
        assert.strictEqual(reply.status, 200, reply.text)
        assert.deepStrictEqual(
          JSON.parse(reply.text).map(({ name }: { readonly name: string }) => name),
          ["a.json", "b.txt", "c.json", "d", "e", "é"]
        )
        assert.strictEqual(yield* sdk(() => box.files.read("up/a.json")), '{"a":1}')
        assert.strictEqual(yield* output(box, "stat -c %s up/c.json up/d up/e | paste -sd' '"), "2000000 1 0")
      })
    )

    it.effect("of the SDK keep a Blob that is typed as JSON", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() =>
          box.files.write([
            { path: "x.json", data: new Blob(['{"x":1}'], { type: "application/json" }) },
            { path: "x.txt", data: "text" }
          ])
        )
        assert.strictEqual(yield* sdk(() => box.files.read("x.json")), '{"x":1}')
        assert.strictEqual(yield* sdk(() => box.files.read("x.txt")), "text")
      })
    )

    it.effect("take a part without a file name when the path is given", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const { body, type } = form([['Content-Disposition: form-data; name="file"', "nameless"]])
        const headers = { ...(yield* envdHeaders(box)), "content-type": type }
        assert.strictEqual(
          (yield* send("/files?path=given.txt", { method: "POST", headers, body })).status,
          200
        )
        assert.strictEqual(yield* sdk(() => box.files.read("given.txt")), "nameless")
        assert.strictEqual((yield* send("/files", { method: "POST", headers, body })).status, 400)
      })
    )

    it.effect("may be compressed as a whole", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const { body, type } = form([[file("zipped"), "z".repeat(100_000)]])
        const headers = { ...(yield* envdHeaders(box)), "content-type": type, "content-encoding": "gzip" }
        const reply = yield* send("/files", { method: "POST", headers, body: Zlib.gzipSync(body) })
        assert.strictEqual(reply.status, 200, reply.text)
        assert.strictEqual(yield* output(box, "stat -c %s zipped"), "100000")
      })
    )

    it.effect("are refused where envd refuses them", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const own = yield* envdHeaders(box)
        const post = (query: string, type: string, body: string) =>
          Effect.map(
            send(`/files${query}`, { method: "POST", headers: { ...own, "content-type": type }, body }),
            ({ status, text }) => [status, String(JSON.parse(text).message ?? "")] as const
          )
        const twice = form([
          [file("same"), "first"],
          [file("./same"), "second"]
        ])
        const [status, message] = yield* post("", twice.type, twice.body)
        assert.strictEqual(status, 400)
        assert.include(message, "multiple files to the same path")
        assert.strictEqual(yield* sdk(() => box.files.read("same")), "first")
        assert.include((yield* post("?path=x", "text/plain", "x"))[1], "unsupported content type")
        assert.strictEqual((yield* post("", "application/octet-stream", "x"))[0], 400)
        assert.strictEqual((yield* post("?path=~other/x", "application/octet-stream", "x"))[0], 400)
      })
    )
  })
})

byMode(modes, "downloads", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("have the headers of envd, and parts of a file", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* output(
          box,
          `printf 0123456789 > 'a b.txt'; : > empty; TZ=UTC touch -d 2020-01-02T03:04:05 'a b.txt'`
        )
        const own = yield* envdHeaders(box)
        const get = (headers: Readonly<Record<string, string>> = {}, path = "a%20b.txt") =>
          send(`/files?path=${path}`, { headers: { ...own, ...headers } })
        const whole = yield* get()
        assert.strictEqual(whole.text, "0123456789")
        assert.deepInclude(whole.headers, {
          "accept-ranges": "bytes",
          "last-modified": "Thu, 02 Jan 2020 03:04:05 GMT",
          "content-type": "text/plain; charset=utf-8",
          "content-disposition": 'inline; filename="a b.txt"',
          "content-length": "10"
        })
        for (const [range, status, text, contentRange] of [
          ["bytes=2-4", 206, "234", "bytes 2-4/10"],
          ["bytes=0-0", 206, "0", "bytes 0-0/10"],
          ["bytes=7-", 206, "789", "bytes 7-9/10"],
          ["bytes=-3", 206, "789", "bytes 7-9/10"],
          ["bytes=5-99", 206, "56789", "bytes 5-9/10"],
          ["bytes=10-", 416, undefined, "bytes */10"],
          ["bytes=x", 416, undefined, undefined],
          ["bytes=1-2,4-5", 200, "0123456789", undefined]
        ] as const) {
          const reply = yield* get({ range })
          assert.strictEqual(reply.status, status, range)
          if (text !== undefined) assert.strictEqual(reply.text, text, range)
          assert.strictEqual(reply.headers["content-range"], contentRange, range)
        }
        const since = "Thu, 02 Jan 2020 03:04:05 GMT"
        assert.strictEqual((yield* get({ "if-modified-since": since })).status, 304)
        assert.strictEqual((yield* get({ range: "bytes=1-2", "if-range": since })).status, 206)
        const other = "Thu, 02 Jan 2020 03:04:06 GMT"
        assert.strictEqual((yield* get({ range: "bytes=1-2", "if-range": other })).status, 200)
        const empty = yield* get({ range: "bytes=0-5" }, "empty")
        assert.deepStrictEqual([empty.status, empty.headers["content-length"], empty.text], [200, "0", ""])
        assert.strictEqual(JSON.parse((yield* get({}, "none")).text).message.endsWith("does not exist"), true)
        assert.strictEqual((yield* get({}, "~")).status, 400)
      })
    )

    it.effect("have the type of their content when the name tells none", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* output(
          box,
          `printf '\\211PNG\\r\\n\\032\\n0000' > image; printf 'a\\000b' > bytes; echo '<html>' > page`
        )
        const own = yield* envdHeaders(box)
        const typeOf = (path: string, headers = {}) =>
          Effect.map(send(`/files?path=${path}`, { headers: { ...own, ...headers } }), (reply) =>
            String(reply.headers["content-type"])
          )
        assert.strictEqual(yield* typeOf("image"), "image/png")
        assert.strictEqual(yield* typeOf("image", { range: "bytes=4-" }), "image/png")
        assert.strictEqual(yield* typeOf("bytes"), "application/octet-stream")
        assert.strictEqual(yield* typeOf("page"), "text/html; charset=utf-8")
      })
    )
  })
})

describeOnce("a connection", () => {
  layer(serverLayer({ isolation: best }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("answers the kill that follows a download, every time", () =>
      Effect.gen(function* () {
        const { apiKey, client, url } = yield* Server
        const boxes = yield* Effect.forEach(Array.from({ length: amount(16, 80) }), (_, index) =>
          Effect.gen(function* () {
            const box = yield* sdk(() => client.Sandbox.create())
            const size = index % 2 === 0 ? 4 : 300_000
            yield* sdk(() => box.files.write("file", new Uint8Array(noise(size)).buffer))
            return { id: box.sandboxId, size, headers: yield* envdHeaders(box) }
          })
        )
        // A process of its own: one that shares our event loop is never faster than the server.
        const { stdout } = yield* HostProcess.run({
          command: process.execPath,
          args: [
            fileURLToPath(import.meta.resolve("../fixtures/sdk/downloadThenKill.mjs")),
            JSON.stringify({ url, apiKey, boxes })
          ],
          env: {}
        })
        assert.deepStrictEqual(
          JSON.parse(stdout.toString()),
          boxes.map(() => "200 204")
        )
      })
    )

    it.effect("takes headers and path parameters as large as E2B does", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const headers = { ...(yield* envdHeaders(box)), "x-padding": "x".repeat(100_000) }
        assert.strictEqual((yield* send("/files?path=none", { headers })).status, 404)
        assert.strictEqual((yield* api("GET", `/sandboxes/${"i".repeat(5000)}`)).status, 404)
      })
    )

    it.effect("passes on a body that asked whether it may be sent", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const program = `require("http").createServer((q, r) => { let n = 0; q.on("data", (d) => n += d.length).on("end", () => r.end(q.headers.expect + " " + n)) }).listen(0, "127.0.0.1", function () { console.log(this.address().port) })`
        const handle = yield* sdk(() =>
          box.commands.run(`exec node -e '${program}'`, { background: true, timeoutMs: 0 })
        )
        yield* eventually(Effect.sync(() => /^\d+\n/.test(handle.stdout)))
        const headers = {
          "e2b-sandbox-id": box.sandboxId,
          "e2b-sandbox-port": handle.stdout.trim(),
          expect: "100-continue"
        }
        const reply = yield* send("/any", { method: "POST", headers, body: "x".repeat(10_000) })
        assert.deepStrictEqual([reply.status, reply.text], [200, "undefined 10000"])
      })
    )

    it.effect("stays open after an answer of a port that is not open", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const agent = new Http.Agent({ keepAlive: true, maxSockets: 1 })
        const headers = { "e2b-sandbox-id": box.sandboxId, "e2b-sandbox-port": "9" }
        const refused = yield* send("/", { headers, agent })
        assert.strictEqual(refused.status, 502)
        assert.include(refused.text, "The sandbox is running but port is not open")
        assert.notStrictEqual(refused.headers["connection"], "close")
        agent.destroy()
        assert.strictEqual((yield* api("GET", `/sandboxes/${box.sandboxId}`)).status, 200)
      })
    )
  })
})

describeOnce("ranges", () => {
  top.effect("of any header select a part that is in the file, or are refused", () =>
    Effect.sync(() => {
      for (const header of [
        "bytes=",
        "bytes=0-",
        "bytes=-0",
        "bytes=3-1",
        "bytes=-",
        "items=0-1",
        "bytes=9-9"
      ]) {
        const selected = ByteRange.select(header, 9)
        if (selected._tag !== "Part") continue
        assert.isAbove(selected.range.length, 0, header)
        assert.isAtMost(selected.range.start + selected.range.length, 9, header)
      }
      assert.strictEqual(ByteRange.select("bytes=0-5", 0)._tag, "Whole")
    })
  )
})

describeOnce("types", () => {
  top.effect("of contents are those of Go", () =>
    Effect.sync(() => {
      for (const [bytes, type] of [
        ["", "text/plain; charset=utf-8"],
        ["  <!DOCTYPE html>", "text/html; charset=utf-8"],
        ["<?xml version", "text/xml; charset=utf-8"],
        ["%PDF-1.7", "application/pdf"],
        ["GIF89a", "image/gif"],
        ["PK\u0003\u0004", "application/zip"],
        ["\u0000asm", "application/wasm"],
        ["\u0001\u0002", "application/octet-stream"]
      ] as const) {
        assert.strictEqual(ContentType.ofBytes(Buffer.from(bytes, "latin1")), type, JSON.stringify(bytes))
      }
      assert.strictEqual(ContentType.ofName("/a/B.HTML"), "text/html; charset=utf-8")
      assert.isUndefined(ContentType.ofName("/a/none"))
    })
  )
})
