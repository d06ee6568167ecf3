import { describeOnce } from "#test/once"
import { assert, it as top, layer } from "@effect/vitest"
import { Clock, Effect, Redacted } from "effect"
import { InvalidArgumentError, type Sandbox } from "e2b"
import * as Zlib from "node:zlib"
import {
  failure,
  modes,
  noise,
  output,
  sandbox,
  sdk,
  Server,
  serverLayer,
  byMode
} from "../support/support.ts"
import { sign } from "../../src/envd/SignedUrl.ts"
import { wantsGzip } from "../../src/envd/ConnectProtocol.ts"

const tokenOf = (box: Sandbox) =>
  Effect.gen(function* () {
    const { apiKey, url } = yield* Server
    const reply = yield* sdk(() =>
      fetch(`${url}/sandboxes/${box.sandboxId}`, { headers: { "x-api-key": apiKey } }).then((answer) =>
        answer.json()
      )
    )
    return (reply as { readonly envdAccessToken: string }).envdAccessToken
  })

const status = (url: string, init?: RequestInit) =>
  Effect.map(
    sdk(() => fetch(url, init).then(async (reply) => [reply.status, await reply.text()] as const)),
    ([code]) => code
  )

const form = (text: string, name = "file") => {
  const body = new FormData()
  body.append("file", new Blob([text]), name)
  return { method: "POST", body }
}

byMode(modes, "contents", (mode) => {
  layer(serverLayer({ isolation: mode, limits: { fileBytes: 60_000_000 } }), {
    excludeTestServices: true,
    timeout: "60 seconds"
  })((it) => {
    it.effect("go through signed URLs, each for one path, one operation and one sandbox", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const other = yield* sandbox()
        yield* sdk(() => other.files.write("a b+ü.txt", "other"))
        const upload = yield* sdk(() => box.uploadUrl("a b+ü.txt"))
        assert.strictEqual(yield* status(upload, form("signed")), 200)
        assert.strictEqual(yield* sdk(() => box.files.read("a b+ü.txt")), "signed")
        const named = yield* sdk(() => box.uploadUrl(undefined, { user: "user", useSignatureExpiration: 60 }))
        assert.strictEqual(yield* status(named, form("named", "by/form")), 200)
        const download = yield* sdk(() =>
          box.downloadUrl("by/form", { user: "user", useSignatureExpiration: 60 })
        )
        assert.strictEqual(yield* sdk(() => fetch(download).then((reply) => reply.text())), "named")

        const changed = (change: (parameters: URLSearchParams) => void) => {
          const url = new URL(download)
          change(url.searchParams)
          return status(url.toString())
        }
        assert.strictEqual(yield* changed(() => {}), 200)
        assert.strictEqual(yield* changed((query) => query.delete("signature")), 401)
        assert.strictEqual(yield* changed((query) => query.set("signature", "v1_wrong")), 401)
        assert.strictEqual(yield* changed((query) => query.set("path", "a b+ü.txt")), 401)
        assert.strictEqual(yield* changed((query) => query.delete("username")), 401)
        assert.strictEqual(yield* changed((query) => query.delete("signature_expiration")), 401)
        assert.strictEqual(yield* changed((query) => query.set("signature_expiration", "9999999999")), 401)
        assert.strictEqual(yield* status(download, form("no")), 401)
        assert.strictEqual(yield* status(download, { headers: { "e2b-sandbox-id": other.sandboxId } }), 401)
        const wrong = { "e2b-sandbox-id": box.sandboxId, "x-access-token": "wrong" }
        assert.strictEqual(yield* status(download, { headers: wrong }), 401)
        yield* sdk(() => box.kill())
        assert.strictEqual(yield* status(download), 401)
      }).pipe(Effect.scoped)
    )

    it.effect("are refused with a signature that is expired or has no valid time", () =>
      Effect.gen(function* () {
        const { url } = yield* Server
        const box = yield* sandbox()
        const token = Redacted.make(yield* tokenOf(box))
        yield* sdk(() => box.files.write("file", "f"))
        const at = (expiration: string) => {
          const signature = sign({ path: "file", operation: "read", user: "", token, expiration })
          return status(
            `${url}/files?path=file&signature=${encodeURIComponent(signature)}&signature_expiration=${expiration}`
          )
        }
        const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        assert.strictEqual(yield* at(`${now + 60}`), 200)
        assert.strictEqual(yield* at(`${now - 2}`), 401)
        assert.strictEqual(yield* at("never"), 401)
      })
    )

    it.effect("are compressed on the way when the client asks for it", () =>
      Effect.gen(function* () {
        const { url } = yield* Server
        const box = yield* sandbox()
        const bytes = noise(3_000_000)
        const info = yield* sdk(() => box.files.write("gz", new Uint8Array(bytes).buffer, { gzip: true }))
        assert.strictEqual(info.name, "gz")
        assert.strictEqual(yield* output(box, "stat -c %s gz"), `${bytes.length}`)
        for (const gzip of [true, false]) {
          const read = yield* sdk(() => box.files.read("gz", { format: "bytes", gzip }))
          assert.strictEqual(Buffer.compare(read, bytes), 0)
        }
        yield* sdk(() => box.files.write("text", "x".repeat(100_000), { gzip: true }))
        const token = yield* tokenOf(box)
        const headers = { "x-access-token": token, "e2b-sandbox-id": box.sandboxId }
        const encodingFor = (accept: string) =>
          sdk(() =>
            fetch(`${url}/files?path=text`, { headers: { ...headers, "accept-encoding": accept } }).then(
              async (reply) => [reply.headers.get("content-encoding"), (await reply.text()).length] as const
            )
          )
        assert.deepStrictEqual(yield* encodingFor("gzip"), ["gzip", 100_000])
        assert.deepStrictEqual(yield* encodingFor("gzip, deflate"), [null, 100_000])
        yield* sdk(() => box.files.write("empty", "", { gzip: true }))
        assert.strictEqual(yield* sdk(() => box.files.read("empty", { gzip: true })), "")
        const post = (encoding: string, body: Uint8Array) =>
          status(`${url}/files?path=bad`, {
            method: "POST",
            headers: { ...headers, "content-type": "application/octet-stream", "content-encoding": encoding },
            body: new Uint8Array(body)
          })
        assert.strictEqual(yield* post("gzip", Buffer.from("this is not gzip")), 400)
        assert.strictEqual(yield* post("gzip", Zlib.gzipSync(bytes).subarray(0, 5000)), 400)
        assert.strictEqual(yield* post("br", Buffer.from("x")), 400)
        assert.strictEqual(yield* post("gzip", Zlib.gzipSync("fine")), 200)
        assert.strictEqual(yield* sdk(() => box.files.read("bad")), "fine")
      })
    )

    it.effect("carry metadata that info, list and rename return and that moves with the file", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const metadata = { author: "Jo = , % %", purpose: "", "x.y-z": "1" }
        const info = yield* sdk(() =>
          box.files.write("m/12", "x", { metadata: { Author: metadata.author, purpose: "", "x.y-z": "1" } })
        )
        assert.deepStrictEqual(info.metadata, metadata)
        yield* sdk(() =>
          box.files.writeFiles(
            [
              { path: "m/b", data: "b" },
              { path: "m/c", data: "c" }
            ],
            { metadata }
          )
        )
        yield* sdk(() => box.files.write("m/plain", "p"))
        assert.deepStrictEqual((yield* sdk(() => box.files.getInfo("m/12"))).metadata, metadata)
        assert.deepStrictEqual((yield* sdk(() => box.files.rename("m/12", "m/a"))).metadata, metadata)
        const list = yield* sdk(() => box.files.list("m"))
        assert.deepStrictEqual(
          list.map((entry) => [entry.name, entry.metadata]),
          [
            ["a", metadata],
            ["b", metadata],
            ["c", metadata],
            ["plain", undefined]
          ]
        )
        yield* sdk(() => box.files.write("m/a", "more", { gzip: true, metadata: { author: "Al" } }))
        assert.deepStrictEqual((yield* sdk(() => box.files.getInfo("m/a"))).metadata, { author: "Al" })
        yield* sdk(() => box.files.write("m/b", "new"))
        assert.isUndefined((yield* sdk(() => box.files.getInfo("m/b"))).metadata)
        assert.strictEqual(yield* sdk(() => box.files.read("m/a")), "more")
        assert.instanceOf(
          yield* failure(() => box.files.write("m/a", "x", { metadata: { "no space": "x" } })),
          InvalidArgumentError
        )
      })
    )
  })
})

describeOnce("wantsGzip", () => {
  top.effect("holds for gzip alone", () =>
    Effect.sync(() => {
      for (const accept of ["gzip", " GZIP ", "gzip;q=1", "gzip; q=0.5"])
        assert.isTrue(wantsGzip(accept), accept)
      for (const accept of [undefined, "", "identity", "*", "gzip, br", "gzip;q=0", "gzip; q=0.0"]) {
        assert.isFalse(wantsGzip(accept), accept)
      }
    })
  )
})
