import { assert, describe, it } from "@effect/vitest"
import { TerminalText } from "@remote-agent/domain"
import { Effect, Schema } from "effect"

const { strip } = TerminalText

const isControl = (character: string): boolean => {
  const code = character.codePointAt(0) ?? 0
  return (code < 0x20 && code !== 0x09 && code !== 0x0a) || (code >= 0x7f && code <= 0x9f)
}

/** Pieces of sequences, so that random texts contain whole, nested and broken ones. */
const Piece = Schema.Literals([
  "\u001B",
  "\u001B[",
  "\u001B]",
  "\u001BP",
  "\u001B\\",
  "\u009B",
  "\u009D",
  "\u0090",
  "\u009C",
  "\u0007",
  "\r",
  "\n",
  "\t",
  "31m",
  "0;title",
  "52;c;ZXZpbA==",
  "(B",
  "text",
  "é漢😀\u2028"
])

const Hostile = Schema.Array(Schema.Union([Piece, Schema.String]))

const cases: ReadonlyArray<readonly [name: string, text: string, expected: string]> = [
  ["a colour", "\u001B[1;31mred\u001B[0m", "red"],
  ["a colour with an 8-bit introducer", "\u009B31mred", "red"],
  ["cursor movements", "\u001B[2J\u001B[1;1H\u001B[?25lhome", "home"],
  ["a control sequence with intermediates", "a\u001B[0 qb", "ab"],
  ["a title that BEL ends", "\u001B]0;title\u0007shown", "shown"],
  ["a title that ST ends", "\u001B]0;title\u001B\\shown", "shown"],
  ["a title with 8-bit introducer and terminator", "\u009D0;title\u009Cshown", "shown"],
  ["the clipboard", "\u001B]52;c;ZXZpbA==\u0007copied", "copied"],
  ["a link, but not its text", "\u001B]8;;https://x\u0007link\u001B]8;;\u0007", "link"],
  ["a device control string", "\u001BP$q q\u001B\\after", "after"],
  ["an application program command", "\u001B_Ga=T;AAAA\u001B\\image", "image"],
  ["a privacy message and a start of string", "\u001B^x\u001B\\a\u001BXy\u001B\\b", "ab"],
  ["a reset and a character set", "\u001Bcreset\u001B(B", "reset"],
  ["a lone escape", "half \u001B", "half "],
  [
    "only the introducer of an unterminated string",
    "\u001B]52;c;never ended\nnext",
    "52;c;never ended\nnext"
  ],
  ["carriage returns, backspaces, NUL and DEL", "a\r\nb\bc\u0000d\u007F", "a\nbcd"],
  ["nothing of ordinary text", "line\n\ttab é 漢字 😀 \u2028", "line\n\ttab é 漢字 😀 \u2028"]
]

describe("TerminalText.strip", () => {
  for (const [name, text, expected] of cases) {
    it(`removes ${name}`, () => assert.strictEqual(strip(text), expected))
  }

  it.effect.prop("leaves no control character except line breaks and tabs", [Hostile], ([pieces]) =>
    Effect.sync(() => assert.isFalse([...strip(pieces.join(""))].some(isControl)))
  )

  it.effect.prop("is idempotent", [Hostile], ([pieces]) =>
    Effect.sync(() => {
      const once = strip(pieces.join(""))
      assert.strictEqual(strip(once), once)
    })
  )

  it.effect.prop("keeps text without control characters unchanged", [Schema.String], ([text]) =>
    Effect.sync(() => {
      const ordinary = [...text].filter((character) => !isControl(character)).join("")
      assert.strictEqual(strip(ordinary), ordinary)
    })
  )

  it.effect.prop("removes characters only, and keeps their order", [Hostile], ([pieces]) =>
    Effect.sync(() => {
      const text = pieces.join("")
      let at = 0
      for (const unit of strip(text).split("")) at = text.indexOf(unit, at) + 1
      assert.isTrue(at > 0 || strip(text) === "")
    })
  )

  it("takes linear time for megabytes of unterminated sequences", () => {
    for (const introducer of ["\u009D", "\u001B]", "\u001BP", "\u0090", "\u001B[", "\u001B "]) {
      assert.isBelow(strip(introducer.repeat(1_000_000)).length, 1_000_001)
    }
  })
})
