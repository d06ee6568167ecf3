import { assert, describe, it } from "@effect/vitest"
import { partsOf } from "../../../src/ui/text/markdownParts.ts"

const kindsOf = (text: string) => partsOf(text).map(({ kind, lines }) => `${kind} ${lines.length}`)

describe("Text of an agent", () => {
  it("is cut into headings, lists, tables, code and text", () => {
    assert.deepStrictEqual(
      kindsOf("# A\ntext\nmore\n- a\n- b\n1. c\n| x | y |\n|---|---|\n```ts\n# no heading\n```\nend"),
      ["heading 1", "text 2", "bullets 2", "numbers 1", "table 2", "code 1", "text 1"]
    )
  })

  it("that is still being written keeps its open code", () => {
    assert.deepStrictEqual(kindsOf("```\n- a\n- b"), ["code 2"])
  })
})
