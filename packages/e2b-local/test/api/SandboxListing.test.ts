import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { decodeMetadata, decodeQuery, decodeToken, encodeToken, page } from "../../src/api/SandboxListing.ts"
import { ListQuery } from "../../src/api/schemas.ts"

const decode = (parameters: unknown) =>
  Effect.flatMap(Schema.decodeUnknownEffect(ListQuery)(parameters), decodeQuery)

const WellFormed = Schema.String.pipe(Schema.check(Schema.makeFilter((text: string) => text.isWellFormed())))

const item = (index: number) => ({
  id: `i${String(index).padStart(3, "0")}`,
  // Several within the same millisecond.
  startedAt: 1000 + Math.floor(index / 3),
  state: index % 2 === 0 ? ("running" as const) : ("paused" as const),
  spec: {
    templateId: index % 5 === 0 ? "other" : "base",
    metadata: { index: `${index}` },
    envVars: {},
    timeoutSeconds: 1,
    autoPause: false,
    autoPauseMemory: true,
    autoResume: false,
    internet: true,
    publicTraffic: true
  }
})
const all = Array.from({ length: 20 }, (_, index) => item(index))

describe("decodeMetadata", () => {
  it.effect.prop("reads what the SDK encodes twice", [Schema.Record(WellFormed, WellFormed)], ([metadata]) =>
    Effect.sync(() => {
      const encoded = Object.fromEntries(
        Object.entries(metadata).map(([key, value]) => [encodeURIComponent(key), encodeURIComponent(value)])
      )
      assert.deepStrictEqual(
        decodeMetadata(new URLSearchParams(encoded).toString()),
        Object.entries(metadata).map(([key, value]) => [key, value] as const)
      )
    })
  )

  it.effect("takes a lone percent sign as it is", () =>
    Effect.sync(() => assert.deepStrictEqual(decodeMetadata("a=100%25%25"), [["a", "100%%"]]))
  )
})

describe("tokens", () => {
  it.effect("are decoded, and foreign tokens are refused", () =>
    Effect.sync(() => {
      const position = { startedAt: 1700000000000, id: "iabc" }
      assert.deepStrictEqual(decodeToken(encodeToken(position)), Option.some(position))
      for (const token of ["", "x", encodeToken({ startedAt: 1, id: "a/b" })]) {
        assert.isTrue(Option.isNone(decodeToken(token)))
      }
    })
  )
})

describe("page", () => {
  const pages = Effect.fnUntraced(function* (parameters: Record<string, string>) {
    const ids: Array<string> = []
    let nextToken: string | undefined
    do {
      const query = yield* decode({ ...parameters, ...(nextToken === undefined ? {} : { nextToken }) })
      const { items, next } = page(all, query)
      assert.isAtMost(items.length, query.limit)
      ids.push(...items.map(({ id }) => id))
      nextToken = Option.getOrUndefined(next)
    } while (nextToken !== undefined)
    return ids
  })
  const ids = all.map(({ id }) => id)

  it.effect.prop(
    "gives every sandbox once, newest first, whatever the size of a page",
    [Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 25 })))],
    ([limit]) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* pages({ limit: `${limit}` }), ids.toReversed())
        assert.deepStrictEqual(yield* pages({ limit: `${limit}`, order: "asc" }), ids)
      })
  )

  it.effect("filters by state, metadata, template and time", () =>
    Effect.gen(function* () {
      assert.lengthOf(yield* pages({ state: "paused" }), 10)
      assert.lengthOf(yield* pages({ state: "running,paused" }), 20)
      assert.deepStrictEqual(yield* pages({ metadata: "index=7" }), ["i007"])
      assert.deepStrictEqual(yield* pages({ metadata: "constructor=x" }), [])
      assert.lengthOf(yield* pages({ template: "other" }), 4)
      // Including sandboxes that started at that moment.
      assert.lengthOf(yield* pages({ startedAfter: "1970-01-01T00:00:01.005Z" }), 5)
    })
  )

  it.effect("refuses invalid parameters", () =>
    Effect.gen(function* () {
      for (const parameters of [
        { limit: "0" },
        { limit: "many" },
        { order: "up" },
        { nextToken: "?" },
        { startedAfter: "then" }
      ]) {
        const error = yield* Effect.flip(decode(parameters))
        assert.isTrue(error._tag === "SchemaError" || error.status === 400)
      }
    })
  )
})
