import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { LineBuffer } from "../../src/protocols/LineBuffer.ts"

const limit = 8

const Piece = Schema.Literals(["a", "bc", "\n", "\n\n", "long enough for two", "\r\n", ""])

describe("LineBuffer", () => {
  it.effect.prop(
    "keeps the beginning of every line, and no more, however it was cut",
    [Schema.Array(Piece)],
    ([pieces]) =>
      Effect.sync(() => {
        const buffer = new LineBuffer(limit)
        const lines = [...pieces.flatMap((piece) => buffer.push(piece)), buffer.end()]
        assert.deepStrictEqual(
          lines,
          pieces
            .join("")
            .split("\n")
            .map((line) => ({ text: line.slice(0, limit), cut: line.length > limit }))
        )
      })
  )
})
