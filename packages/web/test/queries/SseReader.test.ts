import { assert, describe, it } from "@effect/vitest"
import { SseReader } from "../../src/queries/SseReader.ts"

const stream =
  ': keep-alive\n\nid: 0\nevent: text\ndata: {"a":1}\n\nid: 1\r\nevent: text\r\ndata: x\r\ndata:y\r\n\r\ndata: z\n\n'

describe("A reader of Server-Sent Events", () => {
  it("reads events with their ids, and skips comments", () => {
    assert.deepStrictEqual(new SseReader().push(stream), [
      { id: "0", event: "text", data: '{"a":1}' },
      { id: "1", event: "text", data: "x\ny" },
      { id: "1", event: "message", data: "z" }
    ])
  })

  it("reads the same wherever the stream is cut", () => {
    const whole = new SseReader().push(stream)
    for (let cut = 1; cut < stream.length; cut++) {
      const reader = new SseReader()
      assert.deepStrictEqual(
        [...reader.push(stream.slice(0, cut)), ...reader.push(stream.slice(cut))],
        whole,
        `cut at ${cut}`
      )
    }
    const reader = new SseReader()
    assert.deepStrictEqual(
      [...stream].flatMap((character) => reader.push(character)),
      whole
    )
  })

  it("does not give out an event that is not complete", () => {
    assert.deepStrictEqual(new SseReader().push("id: 0\ndata: x\n"), [])
  })
})
