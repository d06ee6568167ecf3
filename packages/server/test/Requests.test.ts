import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { RateLimiter, type Server } from "../src/index.ts"
import { clientOf, request, server, type Services } from "./support/server.ts"

const test = <E>(
  name: string,
  options: Server.Options,
  body: Effect.Effect<void, E, Services | Scope.Scope>
) => it.live(name, () => Effect.scoped(Effect.provide(body, server(options))), { timeout: 60_000 })

const sent = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await request(url, init)
    return { status: response.status, headers: response.headers, text: await response.text() }
  })

const json = (token: string, body: string): RequestInit => ({
  method: "POST",
  body,
  headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }
})

/** A body without a length, which is measured while it is read. */
const endless = (bytes: number) =>
  new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (let sum = 0; sum < bytes; sum += 1000) controller.enqueue(new Uint8Array(1000).fill(32))
      controller.close()
    }
  })

describe("RateLimiter", () => {
  it.effect("lets a burst through, then one request after the other, each caller for itself", () =>
    Effect.gen(function* () {
      const { count } = yield* RateLimiter.RateLimiter
      const waits = yield* Effect.replicateEffect(count("token", "a"), 4)
      assert.deepStrictEqual(
        waits.map(({ _tag }) => _tag),
        ["None", "None", "None", "Some"]
      )
      assert.strictEqual((yield* count("token", "b"))._tag, "None")
      yield* TestClock.adjust("500 millis")
      assert.strictEqual((yield* count("token", "a"))._tag, "None")
      const next = yield* count("token", "a")
      assert(next._tag === "Some")
      assert.strictEqual(Duration.toMillis(next.value), 500)
    }).pipe(
      Effect.provide(
        RateLimiter.layer({ token: { perSecond: 2, burst: 3 }, refused: { perSecond: 1, burst: 1 } })
      )
    )
  )
})

describe("Requests", () => {
  test(
    "a request that is not as the API describes it is refused with the place, and never with the value",
    {},
    Effect.gen(function* () {
      const { token, url } = yield* clientOf("run")
      const cases: ReadonlyArray<readonly [string, string]> = [
        ['{"name": "canary value"}', "name"],
        ['{"env": {"KEY": 5}, "ttl": "canary"}', "body"],
        ["canary", "body"]
      ]
      for (const [body, place] of cases) {
        const answer = yield* sent(`${url}/v1/agents`, json(token, body))
        assert.strictEqual(answer.status, 400, body)
        assert.include(answer.text, '"reason":"InvalidRequest"')
        assert.include(answer.text, place)
        assert.notInclude(answer.text, "canary")
      }
      const path = yield* sent(`${url}/v1/agents/canary`, { headers: { authorization: `Bearer ${token}` } })
      assert.strictEqual(path.status, 400)
      assert.notInclude(path.text, "canary")
    })
  )

  test(
    "a path that no operation has is answered like everything else that does not exist",
    {},
    Effect.gen(function* () {
      const { token, url } = yield* clientOf("read")
      const headers = { authorization: `Bearer ${token}` }
      for (const path of ["/v1/nothing", `/v1/agents/${"x".repeat(300)}`]) {
        const answer = yield* sent(url + path, { headers })
        assert.strictEqual(answer.status, 404)
        assert.include(answer.text, '"reason":"RouteNotFound"')
      }
    })
  )

  test(
    "a body that is too large is refused, whether or not it says so",
    { maxBodyBytes: 10_000 },
    Effect.gen(function* () {
      const { token, url } = yield* clientOf("run")
      const said = yield* sent(`${url}/v1/agents`, json(token, `{"profile": "${"x".repeat(20_000)}"}`))
      assert.strictEqual(said.status, 413)
      const streamed = { ...json(token, ""), body: endless(20_000), duplex: "half" } as RequestInit
      const unsaid = yield* sent(`${url}/v1/agents`, streamed)
      assert.strictEqual(unsaid.status, 413)
      assert.include(unsaid.text, '"reason":"PayloadTooLarge"')
    })
  )

  test(
    "a token that makes too many requests is told when to come back, and other tokens are not affected",
    { limits: { token: { perSecond: 1, burst: 2 }, refused: { perSecond: 1, burst: 2 } } },
    Effect.gen(function* () {
      const [one, other] = [yield* clientOf("read"), yield* clientOf("read")]
      const get = ({ token, url }: typeof one) =>
        sent(`${url}/v1/pools`, { headers: { authorization: `Bearer ${token}` } })
      const answers = yield* Effect.replicateEffect(get(one), 8)
      const refused = answers.filter(({ status }) => status === 429)
      assert.isAbove(refused.length, 0)
      for (const { headers } of refused) assert.match(headers.get("retry-after") ?? "", /^[1-9]\d*$/)
      assert.strictEqual((yield* get(other)).status, 200)
      const guesses = yield* Effect.replicateEffect(get({ ...one, token: "ra_guess" }), 8)
      assert.include(
        guesses.map(({ status }) => status),
        429
      )
    })
  )

  test(
    "no page of another site may use the API",
    { hosts: ["127.0.0.1"] },
    Effect.gen(function* () {
      const { url } = yield* clientOf("read")
      const preflight = yield* sent(`${url}/v1/agents`, {
        method: "OPTIONS",
        headers: { origin: "https://evil.example", "access-control-request-method": "GET" }
      })
      assert.isNull(preflight.headers.get("access-control-allow-origin"))
      const health = yield* sent(`${url}/healthz`, { headers: { origin: "https://evil.example" } })
      assert.isNull(health.headers.get("access-control-allow-origin"))
      assert.strictEqual(health.headers.get("x-content-type-options"), "nosniff")
    })
  )

  test(
    "a page of a named origin may",
    { corsOrigins: ["https://good.example", "https://other.example"] },
    Effect.gen(function* () {
      const { url } = yield* clientOf("read")
      const health = yield* sent(`${url}/healthz`, { headers: { origin: "https://good.example" } })
      assert.strictEqual(health.headers.get("access-control-allow-origin"), "https://good.example")
    })
  )
})
