import { assert, describe, it } from "@effect/vitest"
import { type Block, EventLog, type Sent } from "../../src/queries/EventLog.ts"

const record = (seq: number, event: Sent["event"]): Sent => ({
  queryId: "qry_1",
  seq,
  at: new Date(seq * 1000).toISOString(),
  event
})

const logOf = (events: ReadonlyArray<Sent["event"]>) => {
  const log = new EventLog()
  for (const [seq, event] of events.entries()) log.add(record(seq, event))
  return log
}

const kindsOf = (blocks: ReadonlyArray<Block>) => blocks.map(({ kind }) => kind)

const usage = { inputTokens: 1, outputTokens: 1, wallMillis: 1 }

describe("The log of a query", () => {
  it("takes each event once and in order, however often its stream is cut", () => {
    const log = new EventLog()
    const events = ["a", "b", "c"].map((text, seq) => record(seq, { type: "text", text }))
    const [first, second, third] = events
    assert.isDefined(first && second && third)
    if (first === undefined || second === undefined || third === undefined) return
    assert.isTrue(log.add(first))
    assert.isFalse(log.add(third))
    assert.isTrue(log.add(second))
    assert.isFalse(log.add(second))
    assert.isTrue(log.add(third))
    assert.strictEqual(log.seq, 2)
    assert.deepStrictEqual(log.blocks, [{ kind: "text", key: 0, text: "abc" }])
  })

  it("joins a tool with its result and its time, also when tools overlap", () => {
    const { blocks, steps } = logOf([
      { type: "tool_start", tool: "read", callId: "1", data: { file: "a" } },
      { type: "tool_start", tool: "read", callId: "2", data: { file: "b" } },
      { type: "tool_progress", tool: "read", callId: "1", data: "half" },
      { type: "tool_error", tool: "read", callId: "2", data: "no such file" },
      { type: "tool_end", tool: "read", callId: "1", data: "text" }
    ])
    assert.strictEqual(steps, 2)
    assert.deepStrictEqual(
      blocks.map((block) => block.kind === "tool" && [block.status, block.args, block.result, block.millis]),
      [
        ["done", { file: "a" }, "text", 4000],
        ["failed", { file: "b" }, "no such file", 2000]
      ]
    )
  })

  it("shows the end of a tool whose start it does not know", () => {
    const { blocks } = logOf([{ type: "tool_end", tool: "read", data: 1 }])
    assert.deepStrictEqual(kindsOf(blocks), ["tool"])
  })

  it("keeps thoughts apart from text, and shows nothing for events that are for programs", () => {
    const { blocks, result } = logOf([
      { type: "ready", agent: "sample", version: "1" },
      { type: "session", sessionId: "s" },
      { type: "thinking", text: "First" },
      { type: "thinking", text: "then" },
      { type: "text", text: "An" },
      { type: "usage", usage },
      { type: "text", text: "swer" },
      { type: "result", outcome: "ok", answer: "Answer", usage }
    ])
    assert.deepStrictEqual(kindsOf(blocks), ["notice", "thinking", "text", "result"])
    assert.strictEqual(blocks[1]?.kind === "thinking" ? blocks[1].text : "", "First\nthen")
    assert.strictEqual(result?.answer, "Answer")
  })

  it("cuts long text into blocks, so that no block is larger than a screen or two", () => {
    const { blocks } = logOf(
      Array.from({ length: 1000 }, () => ({ type: "text", text: "x".repeat(100) }) as const)
    )
    assert.isAbove(blocks.length, 20)
    assert.strictEqual(
      blocks.reduce((sum, block) => sum + (block.kind === "text" ? block.text.length : 0), 0),
      100_000
    )
  })

  it("tells its listeners once about many events", async () => {
    const log = new EventLog()
    let told = 0
    await new Promise<void>((resolve) => {
      log.subscribe(() => {
        told++
        resolve()
      })
      for (let seq = 0; seq < 1000; seq++) log.add(record(seq, { type: "text", text: "x" }))
    })
    assert.strictEqual(told, 1)
    assert.strictEqual(log.version(), 1000)
  })

  it("folds 100,000 events", () => {
    const log = new EventLog()
    for (let seq = 0; seq < 100_000; seq++) {
      log.add(
        record(
          seq,
          seq % 2 === 0
            ? { type: "tool_start", tool: "t", callId: String(seq) }
            : { type: "tool_end", tool: "t", callId: String(seq - 1) }
        )
      )
    }
    assert.strictEqual(log.blocks.length, 50_000)
    assert.isTrue(log.blocks.every((block) => block.kind === "tool" && block.status === "done"))
  })
})
