// Control characters are what these tests are about.
/* oxlint-disable no-control-regex */
import { assert, describe, it } from "@effect/vitest"
import { AgentEvent } from "@remote-agent/domain"
import { Effect, Result } from "effect"
import * as Answer from "../../src/ui/Answer.ts"
import { jsonText, plain, printable } from "../../src/ui/plainText.ts"
import { line, Screen, silent } from "../../src/ui/Screen.ts"
import * as Table from "../../src/ui/Table.ts"

const hostile = [
  ["\u001B]52;c;ZXZpbA==\u0007copied", "copied"],
  ["\u001B]0;title\u001B\\shown", "shown"],
  ["\u001B]8;;https://x\u0007link\u001B]8;;\u0007", "link"],
  ["\u001BPq#0\u001B\\sixel", "sixel"],
  ["\u009D0;c1\u009Ctext", "text"],
  ["\u001B[31mred\u001B[0m \u001B[2J\u001B[1;1Hhome", "red home"],
  ["\u009B31mred", "red"],
  ["\u001Bcreset\u001B(B", "reset"],
  ["secret\rover", "secretover"],
  ["a\bb\u0000c\u007F", "abc"],
  ["\u001B]52;c;never ended", "52;c;never ended"],
  ["half \u001B", "half "],
  ["line\r\nline\n\ttab", "line\nline\n\ttab"],
  ["漢字 😀 é", "漢字 😀 é"]
] as const

describe("text from elsewhere", () => {
  it("loses every escape sequence and control character, and nothing else", () => {
    for (const [text, expected] of hostile) assert.strictEqual(plain(text), expected, JSON.stringify(text))
  })

  it("keeps the styles of this binary where they are wanted, and no others", () => {
    const styled = "\u001B[1mbold\u001B[0m \u001B[8mhidden\u001B]0;x\u0007"
    assert.strictEqual(printable(styled, true), "\u001B[1mbold\u001B[0m hidden")
    assert.strictEqual(printable(styled, false), "bold hidden")
  })

  it("is JSON without raw control characters, and the same text when it is read", () => {
    const text = "\u001B[31m \u009B31m \u007F é"
    assert.notMatch(jsonText({ text }), /[\u0000-\u001F\u007F-\u009F]/)
    assert.deepStrictEqual(JSON.parse(jsonText({ text })), { text })
  })

  it.effect("reaches the screen as plain text: answers, events, tables and every line", () =>
    Effect.gen(function* () {
      let written = ""
      const output = {
        ...silent,
        colors: true,
        live: true,
        write: (text: string) => Effect.sync(() => void (written += text))
      }
      const evil = "\u001B]52;c;ZXZpbA==\u0007\u001B[31mx\u001B[5A"
      const shown = Effect.gen(function* () {
        yield* Answer.print(Result.succeed({ answer: evil } as never), false)
        const event = AgentEvent.AgentEvent.make({ type: "notice", text: evil, by: "orchestrator" } as never)
        yield* Answer.progress({ event } as never)
        yield* line(output, Table.render([[evil, evil]], 40).join("\n"))
        yield* line(output, evil)
      })
      yield* Effect.provideService(shown, Screen, { out: output, err: output, note: output })
      assert.include(written, "x")
      assert.notMatch(written, /\u001B(?!\[(?:0|2|31)m)/)
      assert.notInclude(written, "\u0007")
    })
  )
})
