import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Segmenter } from "../../src/process/Segmenter.ts"

const granularities = ["grapheme", "word", "sentence"] as const

const same = (text: string) =>
  Effect.sync(() => {
    for (const granularity of granularities) {
      const [ours, full] = [new Segmenter("en", { granularity }), new Intl.Segmenter("en", { granularity })]
      const [found, expected] = [ours.segment(text), full.segment(text)]
      assert.deepStrictEqual(
        Array.from(found, ({ index, segment }) => [index, segment]),
        Array.from(expected, ({ index, segment }) => [index, segment])
      )
    }
  })

const Ascii = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 127 })))

describe("Segmenter", () => {
  it.effect.prop(
    "finds what Intl.Segmenter finds in ASCII, line breaks among it",
    { codes: Ascii },
    ({ codes }) => same(String.fromCharCode(...codes))
  )

  it.effect.prop("finds what Intl.Segmenter finds in any text", { text: Schema.String }, ({ text }) =>
    same(text)
  )

  it.effect("keeps together what is seen as one, and a line break", () =>
    Effect.forEach(["", "plain", "a\r\nb", "e\u0301", "👩‍💻 at work", "ﬁ \u200d"], same)
  )

  it("takes text apart at every character that is seen when nothing else is said", () => {
    const all = Array.from(new Segmenter().segment("two words"), ({ segment }) => segment)
    assert.deepStrictEqual(all, [..."two words"])
  })
})
