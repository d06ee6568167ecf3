import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import measure from "fast-string-truncated-width"
import * as Table from "../../src/ui/Table.ts"

const Cell = Schema.String.check(Schema.isPattern(/^[a-zà-ž 漢字😀]{0,20}$/u))

const widthOf = (text: string) => measure(text).width

describe("a table", () => {
  it("aligns columns by display width and leaves no blanks at the end of a line", () => {
    assert.deepStrictEqual(
      Table.render([
        ["name", "status", "note"],
        ["alice", "active", ""],
        ["漢字😀", "paused", "asleep"]
      ]),
      ["name    status  note", "alice   active", "漢字😀  paused  asleep"]
    )
  })

  it("shrinks the widest column, and marks what it cuts", () => {
    assert.deepStrictEqual(Table.render([["one", "a long text"]], 10), ["one  a lo…"])
    assert.deepStrictEqual(
      Table.render(
        [
          ["name", "a very long value", "from a flag"],
          ["other", "", "default"]
        ],
        26
      ),
      ["name   a very l…  from a …", "other             default"]
    )
  })

  it("never drops a column, and never cuts one that leaves room for the others", () => {
    const row = ["agt_01k0000000000000000000000", "analyst", "active", "sample", "12", "3d", "team=research"]
    const [line = ""] = Table.render([row], 50)
    assert.strictEqual(widthOf(line), 50)
    assert.lengthOf(line.split(/ {2,}/), row.length)
    for (const cell of ["active", "sample", "12", "3d"]) assert.include(line, cell)
  })

  it("cuts a text between characters as they are shown", () => {
    assert.strictEqual(Table.cut("漢字漢字", 5), "漢字…")
    assert.strictEqual(Table.cut("👨‍👩‍👧👨‍👩‍👧", 3), "👨‍👩‍👧…")
    assert.strictEqual(Table.cut("fits", 4), "fits")
  })

  it("puts a cell with line breaks on one line", () => {
    assert.deepStrictEqual(Table.render([["a\nb\tc", "d"]]), ["a b c  d"])
  })

  it("of nothing is nothing", () => {
    assert.deepStrictEqual(Table.render([]), [])
  })

  it.effect.prop(
    "is never wider than the screen while every column has room for one wide character",
    {
      rows: Schema.Array(Schema.Array(Cell).check(Schema.isMaxLength(6))),
      width: Schema.Int.check(Schema.isBetween({ minimum: 22, maximum: 60 }))
    },
    ({ rows, width }) =>
      Effect.sync(() => {
        const lines = Table.render(rows, width)
        assert.lengthOf(lines, rows.length)
        for (const text of lines) assert.isAtMost(widthOf(text), width)
      })
  )
})
