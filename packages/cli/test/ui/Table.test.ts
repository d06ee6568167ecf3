import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Table from "../../src/ui/Table.ts"

const Cell = Schema.String.check(Schema.isPattern(/^[a-zà-ž 😀]{0,20}$/u))

describe("Table", () => {
  it("aligns columns and leaves no blanks at the end of a line", () => {
    assert.deepStrictEqual(
      Table.render([
        ["name", "status", "note"],
        ["alice", "active", ""],
        ["é😀", "paused", "sleeps"]
      ]),
      ["name   status  note", "alice  active", "é😀     paused  sleeps"]
    )
  })

  it("cuts a line that is wider than the screen, and says so", () => {
    assert.deepStrictEqual(Table.render([["one", "a long text"]], 10), ["one  a lo…"])
  })

  it("cuts no line that fits without the blanks at its end", () => {
    assert.deepStrictEqual(Table.render([["one", "a long text"], ["two"]], 10), ["one  a lo…", "two"])
  })

  it("of nothing is nothing", () => {
    assert.deepStrictEqual(Table.render([]), [])
  })

  it.effect.prop(
    "never is wider than it may be",
    {
      rows: Schema.Array(Schema.Array(Cell)),
      width: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 }))
    },
    ({ rows, width }) =>
      Effect.sync(() => {
        const lines = Table.render(rows, width)
        assert.lengthOf(lines, rows.length)
        for (const text of lines) assert.isAtMost(Array.from(text).length, width)
      })
  )
})
