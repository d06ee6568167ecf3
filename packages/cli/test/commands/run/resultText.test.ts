import { assert, describe, it } from "@effect/vitest"
import { Run } from "@remote-agent/domain"
import { Effect, Schema } from "effect"
import { complete, type Format, header, record } from "../../../src/commands/run/shared/resultText.ts"

const question = (index: number, answer: string) =>
  new Run.Question({
    index,
    text: `why "${index}",\n${answer}?`,
    state: "ended",
    attempts: 1,
    unstarted: 0,
    limited: 0,
    notBefore: 0,
    outcome: "ok",
    answer
  })

const formats = ["jsonl", "csv"] as const

const encoder = new TextEncoder()

const fileOf = (format: Format, answers: ReadonlyArray<string>) =>
  (format === "csv" ? header : "") +
  answers.map((answer, index) => record(format, question(index, answer))).join("")

describe("resultText", () => {
  it("writes JSON lines and CSV", () => {
    const one = question(3, 'say "hi"')
    assert.strictEqual(record("csv", one), '3,"why ""3"",\nsay ""hi""?","ok","say ""hi""","",1,"",""\n')
    assert.deepStrictEqual(JSON.parse(record("jsonl", one)), {
      index: 3,
      query: 'why "3",\nsay "hi"?',
      outcome: "ok",
      answer: 'say "hi"',
      attempts: 1
    })
  })

  it("knows that an empty file holds no result", () => {
    for (const format of formats) {
      assert.deepStrictEqual(complete(format, new Uint8Array()), { bytes: 0, records: 0, last: undefined })
    }
    assert.deepStrictEqual(complete("csv", encoder.encode(header.slice(0, 9))).bytes, 0)
  })

  it("finds no index in a file of something else", () => {
    assert.strictEqual(complete("jsonl", encoder.encode("hello\n")).last, undefined)
  })

  it.effect.prop(
    "finds the complete records of a file that was cut off anywhere",
    {
      answers: Schema.Array(Schema.String),
      cut: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 }))
    },
    ({ answers, cut }) =>
      Effect.sync(() => {
        for (const format of formats) {
          const whole = encoder.encode(fileOf(format, answers))
          const part = whole.subarray(0, cut)
          const found = complete(format, part)
          const ends = answers.map(
            (_, index) => encoder.encode(fileOf(format, answers.slice(0, index + 1))).length
          )
          const records = ends.filter((end) => end <= part.length).length
          assert.strictEqual(found.records, records)
          assert.strictEqual(found.last, records === 0 ? undefined : records - 1)
          if (records > 0) assert.strictEqual(found.bytes, ends[records - 1])
        }
      })
  )
})
