import { assert, describe, it } from "@effect/vitest"
import type { AgentEvent, Profile } from "@remote-agent/domain"
import { EventReader } from "@remote-agent/orchestrator"
import { Effect, Schema } from "effect"
import * as JsonLine from "../../src/protocols/JsonLine.ts"
import { exit, out } from "../support/support.ts"

const read = Effect.fnUntraced(function* (
  protocol: Profile.Protocol,
  pieces: ReadonlyArray<string>,
  jsonPath: Profile.RunSpec["jsonPath"] = { answer: "$.answer" }
) {
  const reader = yield* EventReader.make({ protocol, ...(protocol === "json-path" && { jsonPath }) })
  const events = (yield* Effect.forEach([...pieces.map(out), exit(0)], reader.read)).flat()
  const result = events.at(-1)
  assert(result?.type === "result")
  return { events: events.slice(0, -1), result }
})

const result = { type: "result", outcome: "ok", answer: 'a "quoted" {answer} [with] \\ brackets\n}' }
const ready = { type: "ready", agent: "a" }

const rawOf = (events: ReadonlyArray<AgentEvent.AgentEvent>) =>
  events.flatMap((event) => (event.type === "raw" ? [event.line] : []))

describe("a line with more than one object", () => {
  it.effect("keeps a result that has words before and behind it, and the words", () =>
    Effect.gen(function* () {
      for (const [before, behind] of [
        ["", " words"],
        ["loading… ", ""],
        ["[1/3] done. ", " and {more} words"],
        ["{not json ", " }"],
        ["\u001B[2K", "\u001B[0m bye"]
      ] as const) {
        const line = `${before}${JSON.stringify(result)}${behind}\n`
        const { events, result: found } = yield* read("runner-jsonl", [line])
        assert.deepStrictEqual([found.outcome, found.answer], ["ok", result.answer], line)
        assert.deepStrictEqual(
          rawOf(events),
          [before, behind].map((text) => JsonLine.plain(text).trim()).filter((text) => text !== ""),
          line
        )
      }
    })
  )

  it.effect("reads several objects of a line in their order", () =>
    Effect.gen(function* () {
      const event = { type: "event", event: { type: "thinking", message: "hm" } }
      const line = [ready, event, { type: "other" }, result].map((one) => JSON.stringify(one)).join("")
      const { events, result: found } = yield* read("runner-jsonl", [`${line}\n`])
      assert.deepStrictEqual(
        events.map(({ type }) => type),
        ["ready", "thinking", "raw"]
      )
      assert.strictEqual(found.answer, result.answer)
    })
  )

  it.effect("takes nothing inside of something else for an object of the protocol", () =>
    Effect.gen(function* () {
      const inner = JSON.stringify(result)
      for (const line of [
        `{"type":"event","event":${inner}`,
        `{"type":"event","event":{"type":"notice","message":${JSON.stringify(inner)}}`,
        `[${inner}]`,
        `[1, ${inner}, ${inner}]`,
        `the model said '${inner}'`,
        `parse(${inner})`,
        `{"log": undefined, "value": ${inner}}`
      ]) {
        const { events, result: found } = yield* read("runner-jsonl", [`${line}\n`])
        assert.strictEqual(found.outcome, "crash", line)
        assert.deepStrictEqual(rawOf(events), [line])
      }
    })
  )

  const Part = Schema.Literals(["words", "{", "}", "[", "]", '"', "\\", "é🤔", " ", "{not json"])

  it.effect.prop(
    "keeps every object at the beginning of a line and every character, whatever follows",
    [Schema.Array(Part)],
    ([parts]) =>
      Effect.gen(function* () {
        const noise = parts.join("")
        const line = `${JSON.stringify(result)}${noise}`
        const found = JsonLine.pieces(line)
        assert.deepStrictEqual(found[0], { _tag: "Object", object: result })
        const kept = found.map((piece) =>
          piece._tag === "Object" ? JSON.stringify(piece.object) : piece.text
        )
        assert.strictEqual(kept.join("").replaceAll(/\s/g, ""), line.replaceAll(/\s/g, ""))
        const read1 = yield* read("runner-jsonl", [`${line}\n`])
        assert.strictEqual(read1.result.answer, result.answer)
      })
  )

  it.effect("reads a line of braces in time", () =>
    Effect.gen(function* () {
      for (const part of ["{", '{"', '{"a":', '{"a":"}', "{}", "[{"]) {
        const { result: found } = yield* read("runner-jsonl", [`${part.repeat(1_000_000)}\n`])
        assert.strictEqual(found.outcome, "crash")
      }
    })
  )
})

const encode = (text: string) => [...new TextEncoder().encode(text)]

describe("broken UTF-8 and pieces of characters", () => {
  const Cuts = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2000 })))
  const Bytes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))
  const newline = 10

  it.effect.prop(
    "change nothing in the lines around them, however the bytes are cut",
    [Bytes, Cuts],
    ([noise, cuts]) =>
      Effect.gen(function* () {
        const bytes = Uint8Array.from([
          ...encode(`${JSON.stringify({ ...ready, agent: "é🤔" })}\n`),
          ...noise.filter((byte) => byte !== newline),
          newline,
          ...encode(JSON.stringify(result))
        ])
        const decoder = new TextDecoder()
        const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b)
        const pieces = [0, ...at].map((from, index) =>
          decoder.decode(bytes.subarray(from, at[index] ?? bytes.length), { stream: true })
        )
        const { events, result: found } = yield* read("runner-jsonl", pieces)
        assert.deepStrictEqual(events[0], { type: "ready", agent: "é🤔" })
        assert.deepStrictEqual([found.outcome, found.answer], ["ok", result.answer])
      })
  )
})

const mebibytes = (count: number) => "x".repeat(count * 1024 * 1024)

const noticesOf = (events: ReadonlyArray<AgentEvent.AgentEvent>) =>
  events.flatMap((event) => (event.type === "notice" ? [event.text] : []))

describe("a line that is too long", () => {
  it.effect("is the beginning of the answer of a program that prints text, and a notice says so", () =>
    Effect.gen(function* () {
      const { events, result: found } = yield* read("text", [`${mebibytes(9)}\nend\n`])
      assert.deepStrictEqual([found.outcome, found.answer === mebibytes(8)], ["ok", true])
      const [line, answer] = noticesOf(events)
      assert.include(line, "longer than 8 MiB")
      assert.include(answer, "The answer is its beginning")
    })
  )

  it.effect(
    "is told as well when many lines make an output too long, and when there is no last newline",
    () =>
      Effect.gen(function* () {
        const { events, result: found } = yield* read(
          "text",
          Array.from({ length: 9 }, () => `${mebibytes(1)}\n`)
        )
        assert.deepStrictEqual([found.outcome, noticesOf(events).length], ["ok", 1])
        const cut = yield* read("text", [`start\n${mebibytes(9)}`])
        assert.lengthOf(noticesOf(cut.events), 2)
        assert.isTrue(cut.result.answer.startsWith("start\nxxx"))
      })
  )

  it.effect.each([
    "runner-jsonl",
    "claude-stream-json",
    "codex-jsonl",
    "opencode-json",
    "json-path"
  ] as const)("is noise in %s, and a notice says so", (protocol) =>
    Effect.gen(function* () {
      const { events, result: found } = yield* read(protocol, [`{"answer":"${mebibytes(9)}"}\n`, "end\n"])
      assert.notStrictEqual(found.outcome, "ok")
      assert.isTrue(noticesOf(events).some((text) => text.includes("longer than 8 MiB")))
      assert.isTrue(rawOf(events)[0]?.startsWith('{"answer":"xxx'))
    })
  )
})

describe("json-path", () => {
  const document = { answer: "four", log: [{ answer: "no" }] }

  it.effect("finds the document before, behind and between lines of noise", () =>
    Effect.gen(function* () {
      for (const text of [JSON.stringify(document), JSON.stringify(document, null, 2)]) {
        for (const output of [
          `${text}\nBye.\n`,
          `[INFO] loading "\n${text}\n[INFO] {bye}\n`,
          `{"progress":1}\n${text}\n{"progress":2}\n`,
          `{ not json\n${text}\n}`
        ]) {
          const { result: found } = yield* read("json-path", [output])
          assert.deepStrictEqual([found.outcome, found.answer], ["ok", "four"], output)
        }
      }
      const { result: found } = yield* read("json-path", [`result: ${JSON.stringify(document)} done\nBye.`])
      assert.strictEqual(found.answer, "four")
    })
  )

  it.effect("reads an output of brackets in time", () =>
    Effect.gen(function* () {
      const { result: found } = yield* read("json-path", ["{\n".repeat(500_000)])
      assert.strictEqual(found.outcome, "error")
    })
  )
})
