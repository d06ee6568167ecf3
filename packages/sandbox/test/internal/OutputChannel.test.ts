import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { OutputChannel } from "../../src/internal/output.ts"

const channel = (limit = 3) => new OutputChannel<string>(limit, (value) => value.length)

const collect = async (self: AsyncIterable<ReadonlyArray<string>>) => {
  const values: Array<string> = []
  for await (const pieces of self) values.push(...pieces)
  return values
}

/** Whether a promise has settled after one turn of the event loop. */
const isSettled = async (promise: Promise<unknown> | void) => {
  let settled = promise === undefined
  void promise?.then(() => (settled = true))
  await new Promise<void>((resolve) => setImmediate(resolve))
  return settled
}

it("returns values written before and during reading, in order, and then ends", async () => {
  const one = channel()
  void one.push("a")
  void one.push("b")
  const reading = collect(one)
  await isSettled(reading)
  void one.push("c")
  one.end()
  assert.deepStrictEqual(await reading, ["a", "b", "c"])
})

it("holds a writer back beyond its limit until the reader has caught up", async () => {
  const one = channel()
  assert.isUndefined(one.push("abc"))
  const held = [one.push("d"), one.push("e")]
  assert.deepStrictEqual(await Promise.all(held.map(isSettled)), [false, false])
  const reader = one[Symbol.asyncIterator]()
  assert.deepStrictEqual(await reader.next(), { done: false, value: ["abc", "d", "e"] })
  assert.deepStrictEqual(await Promise.all(held.map(isSettled)), [true, true])
  assert.isUndefined(one.push("f"))
})

it("releases the writers when the reader leaves, and accepts no more values", async () => {
  const one = channel()
  const reader = one[Symbol.asyncIterator]()
  void one.push("a")
  await reader.next()
  const held = one.push("bcde")
  assert.isFalse(await isSettled(held))
  await reader.return()
  assert.isTrue(await isSettled(held))
  assert.isUndefined(one.push("more than the limit"))
  assert.deepStrictEqual(await collect(one), ["bcde"])
})

it("returns the waiting values before the first failure", async () => {
  const one = channel()
  void one.push("a")
  one.fail("first")
  one.fail("second")
  void one.push("b")
  const seen: Array<string> = []
  let cause: unknown
  try {
    for await (const pieces of one) seen.push(...pieces)
  } catch (failure) {
    cause = failure
  }
  assert.deepStrictEqual(seen, ["a"])
  assert.strictEqual(cause, "first")
})

it("accepts no value after its end", async () => {
  const one = channel()
  one.end()
  assert.isUndefined(one.push("a"))
  assert.deepStrictEqual(await collect(one), [])
})

it.effect.prop(
  "keeps the order and loses no value, with any limit",
  [Schema.Array(Schema.String), Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }))],
  ([values, limit]) =>
    Effect.promise(async () => {
      const one = channel(limit)
      const reading = collect(one)
      // oxlint-disable-next-line no-await-in-loop -- a writer waits for the reader
      for (const value of values) await one.push(value)
      one.end()
      assert.deepStrictEqual(await reading, [...values])
    })
)
