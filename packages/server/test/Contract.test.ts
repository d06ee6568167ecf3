import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { amount } from "../../../test/tier.ts"
import { type Case, casesOf, type Document, randomOf } from "./support/openApiCases.ts"
import { clientOf, request, server } from "./support/server.ts"

const limits = { token: { perSecond: 1e6, burst: 1e6 }, refused: { perSecond: 1e6, burst: 1e6 } }

const rounds = amount(4, 150)

/** The status of a request. A stream of events is left at once. */
const statusOf = async (url: string, token: string, one: Case) => {
  const controller = new AbortController()
  const response = await request(url + one.path, {
    method: one.method,
    headers: { ...one.headers, authorization: `Bearer ${token}` },
    signal: controller.signal,
    ...(one.body === undefined ? {} : { body: one.body })
  })
  const isStream = (response.headers.get("content-type") ?? "").includes("event-stream")
  const text = isStream ? "" : await response.text()
  controller.abort()
  return { status: response.status, text }
}

describe("The contract", () => {
  it.live(
    `no request of ${rounds} rounds over every operation makes the server fail, or answer what is not declared`,
    () =>
      Effect.gen(function* () {
        const { token, url } = yield* clientOf("admin")
        const document = yield* Effect.promise(
          async () => (await (await request(`${url}/openapi.json`)).json()) as Document
        )
        const seed = yield* Random.nextIntBetween(0, 1e9)
        const random = randomOf(seed)
        for (let round = 0; round < rounds; round++) {
          for (const one of casesOf(document, random)) {
            const { status, text } = yield* Effect.promise(() => statusOf(url, token, one))
            const words = `seed ${seed}: ${one.name} ${one.method} ${one.path.slice(0, 300)} ${(one.body ?? "").slice(0, 300)}: ${status} ${text.slice(0, 300)}`
            assert.isBelow(status, 500, words)
            assert.isTrue(one.declared.has(status), words)
            if (status >= 400) assert.match(text, /^\{"_tag":"\w+","error":\{/, words)
          }
        }
        assert.isUndefined(({} as Readonly<Record<string, unknown>>)["polluted"])
      }).pipe(Effect.scoped, Effect.provide(server({ limits }))),
    { timeout: 600_000 }
  )
})
