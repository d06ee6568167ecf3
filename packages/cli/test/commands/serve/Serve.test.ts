import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFile, stat } from "node:fs/promises"
import { get } from "node:http"
import { run as runHere } from "../../support/paper.ts"
import { served } from "../../support/serveProcess.ts"
import { folder, run } from "../../support/support.ts"

/** A request of a client without types. */
const request = async (url: string, token?: string) => {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(url, { headers })
  return { status: response.status, body: await response.text() }
}

const ask = (url: string, token?: string) => Effect.promise(() => request(url, token))

/** A request that names another host than it is sent to, as a page of a rebound name does. */
const asHost = (url: string, host: string) =>
  Effect.promise(
    () =>
      new Promise<number | undefined>((resolve, reject) => {
        get(`${url}/healthz`, { headers: { host } }, (response) => {
          response.resume()
          resolve(response.statusCode)
        }).on("error", reject)
      })
  )

describe("serve", () => {
  it.live(
    "prints one line with its address and the token of this user, and answers with that token only",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const { ready } = yield* served(cwd)
        assert.match(ready.url, /^http:\/\/127\.0\.0\.1:\d+$/)
        assert.strictEqual((yield* ask(`${ready.url}/healthz`)).status, 200)
        assert.strictEqual((yield* ask(`${ready.url}/v1/agents`)).status, 401)
        assert.strictEqual((yield* ask(`${ready.url}/metrics`)).status, 401)
        const version = yield* ask(`${ready.url}/v1/version`, ready.token)
        assert.strictEqual(JSON.parse(version.body).scope, "admin")
        assert.strictEqual(yield* asHost(ready.url, "evil.example"), 403)
        assert.strictEqual(yield* asHost(ready.url, "localhost:1"), 200)
        const file = yield* Effect.promise(() => stat(ready.tokenFile))
        assert.strictEqual(file.mode & 0o777, 0o600)
        const text = yield* Effect.promise(() => readFile(ready.tokenFile, "utf8"))
        assert.strictEqual(text.trim(), ready.token)
      }).pipe(Effect.scoped)
  )

  it.live("stops on SIGTERM after what it answers, and the next one accepts the same tokens", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const first = yield* served(cwd)
      const created = yield* run(cwd, ["token", "create", "--name", "ci", "--scope", "run", "--json"])
      const { id, token } = JSON.parse(created.stdout) as { readonly id: string; readonly token: string }
      assert.strictEqual((yield* ask(`${first.ready.url}/v1/agents`, token)).status, 200)
      first.child.kill("SIGTERM")
      const ended = yield* Effect.promise(() => first.ended)
      assert.strictEqual(ended.code, 130)
      const second = yield* served(cwd)
      assert.strictEqual(second.ready.token, first.ready.token)
      assert.strictEqual((yield* ask(`${second.ready.url}/v1/agents`, token)).status, 200)
      const revoked = yield* run(cwd, ["token", "revoke", id])
      assert.strictEqual(revoked.code, 0)
      assert.strictEqual((yield* ask(`${second.ready.url}/v1/agents`, token)).status, 401)
    }).pipe(Effect.scoped)
  )

  it.live("refuses an address beyond the loopback without TLS, and a key without its certificate", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const open = yield* runHere(["serve", "--port", "0", "--host", "0.0.0.0"], { cwd })
      assert.strictEqual(open.code, 2)
      assert.include(open.err, "--insecure")
      const half = yield* runHere(["serve", "--port", "0", "--tls-key", "key.pem"], { cwd })
      assert.strictEqual(half.code, 2)
      assert.include(half.err, "--tls-cert")
    }).pipe(Effect.scoped)
  )
})

describe("token", () => {
  it.live("creates, lists and revokes tokens, and never shows a secret twice", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const created = yield* runHere(
        ["token", "create", "--name", "ci", "--scope", "run", "--expires", "30d", "--json"],
        { cwd }
      )
      const { expiresAt, id, token } = JSON.parse(created.out)
      assert.match(token, /^ra_[\w-]{43}$/)
      assert.isString(expiresAt)
      const listed = yield* runHere(["token", "list"], { cwd })
      assert.include(listed.out, id)
      assert.notInclude(listed.out, token)
      assert.strictEqual((yield* runHere(["token", "revoke", id], { cwd })).code, 0)
      assert.strictEqual((yield* runHere(["token", "revoke", id], { cwd })).code, 3)
      assert.strictEqual((yield* runHere(["token", "list", "--json"], { cwd })).out, "")
      const wrong = yield* runHere(["token", "create", "--expires", "soon"], { cwd })
      assert.strictEqual(wrong.code, 2)
    }).pipe(Effect.scoped)
  )
})
