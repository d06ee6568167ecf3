import { assert, describe, it } from "@effect/vitest"
import { AgentEvent, TokenUsage } from "@remote-agent/domain"
import { RunnerJsonl } from "@remote-agent/orchestrator"
import { Schema } from "effect"

const { parse } = RunnerJsonl
const isEvents = Schema.is(Schema.Array(AgentEvent.AgentEvent))

const result = (fields: Readonly<Record<string, unknown>>): AgentEvent.ResultEvent => {
  const [read] = parse(JSON.stringify({ type: "result", outcome: "ok", answer: "42", ...fields }))
  assert(read?.type === "result")
  return read
}

const ofType = (type: string, fields: object) =>
  parse(JSON.stringify({ type: "event", event: { type, tool: "t", ...fields } }))

describe("RunnerJsonl.parse", () => {
  it("reads every line of a real run of the sample agent", () => {
    const lines = [
      String.raw`{"type":"ready","protocol":1,"agent":"sample","version":"0.1.0"}`,
      String.raw`{"type":"start","id":"qry_1"}`,
      String.raw`{"type":"event","id":"qry_1","event":{"type":"thinking","message":"The question asks for revenue of Tesla in fiscal year 2024."}}`,
      String.raw`{"type":"event","id":"qry_1","event":{"type":"tool_start","tool":"get_fundamentals","args":{"ticker":"TSLA","years":[2024]},"toolCallId":"call_1"}}`,
      String.raw`{"type":"event","id":"qry_1","event":{"type":"tool_end","tool":"get_fundamentals","toolCallId":"call_1","result":"{\"ticker\":\"TSLA\",\"figures\":{\"2024\":{\"revenue\":97690}}}","duration":0}}`,
      String.raw`{"type":"result","id":"qry_1","outcome":"ok","answer":"Tesla's revenue in fiscal year 2024 was $97,690 million.","ok":true,"iterations":2,"toolCalls":[{"tool":"get_fundamentals","args":{"ticker":"TSLA","years":[2024]}}],"usage":{"inputTokens":6,"outputTokens":22,"totalTokens":28},"totalMs":24,"sessionId":"s1"}`
    ]
    const tool = { tool: "get_fundamentals", callId: "call_1" }
    assert.deepStrictEqual(lines.flatMap(parse), [
      { type: "ready", agent: "sample", version: "0.1.0" },
      { type: "thinking", text: "The question asks for revenue of Tesla in fiscal year 2024." },
      { type: "tool_start", ...tool, data: { ticker: "TSLA", years: [2024] } },
      { type: "tool_end", ...tool, data: '{"ticker":"TSLA","figures":{"2024":{"revenue":97690}}}' },
      {
        type: "result",
        outcome: "ok",
        answer: "Tesla's revenue in fiscal year 2024 was $97,690 million.",
        sessionId: "s1",
        iterations: 2,
        usage: new TokenUsage.TokenUsage({ inputTokens: 6, outputTokens: 22, wallMillis: 24 })
      }
    ])
  })

  it("reads how the sample agent says that it cannot answer", () => {
    const [read] = parse(
      '{"type":"result","id":"qry_1","outcome":"error","answer":"","error":"I cannot answer this: it names no company that I know.","ok":false,"iterations":1,"toolCalls":[],"usage":{"inputTokens":4,"outputTokens":0,"totalTokens":4},"totalMs":13}'
    )
    assert.deepStrictEqual(read, {
      type: "result",
      outcome: "error",
      answer: "",
      error: "I cannot answer this: it names no company that I know.",
      iterations: 1,
      usage: new TokenUsage.TokenUsage({ inputTokens: 4, outputTokens: 0, wallMillis: 13 })
    })
  })

  it("reads what has been used until now", () => {
    const used = ofType("usage", { inputTokens: 12.7, outputTokens: 3, costUsd: 0.5 })
    const usage = new TokenUsage.TokenUsage({ inputTokens: 12, outputTokens: 3, costUsd: 0.5, wallMillis: 0 })
    assert.deepStrictEqual(used, [{ type: "usage", usage }])
    assert.strictEqual(ofType("usage", { inputTokens: -1 })[0]?.type, "raw")
  })

  it("takes the data of a tool from the field that its kind of event uses", () => {
    assert.deepStrictEqual(ofType("tool_progress", { message: "half" }), [
      { type: "tool_progress", tool: "t", data: "half" }
    ])
    assert.deepStrictEqual(ofType("tool_error", { error: "no" }), [
      { type: "tool_error", tool: "t", data: "no" }
    ])
    assert.deepStrictEqual(ofType("tool_start", { tool: 7, result: "ignored" }), [
      { type: "tool_start", tool: "tool" }
    ])
    assert.deepStrictEqual(ofType("notice", { message: "mind" }), [{ type: "notice", text: "mind" }])
    assert.deepStrictEqual(ofType("thinking", { message: 7 }), [{ type: "thinking", text: "" }])
  })

  it.prop("keeps a line that it does not understand as it came", [Schema.String], ([text]) => {
    const noise = `note: ${text}`
    assert.deepStrictEqual(parse(noise), [{ type: "raw", line: noise }])
  })

  it.prop(
    "gives events that are valid for any JSON, and never throws",
    [Schema.Json, Schema.Record(Schema.String, Schema.Json)],
    ([json, fields]) => {
      const values = [
        json,
        fields,
        { type: json },
        { type: "ready", ...fields },
        { type: "event", event: json },
        { type: "event", event: { type: "tool_start", ...fields } },
        { type: "result", outcome: "ok", ...fields },
        { type: "result", outcome: json, answer: json, error: json, sessionId: json },
        { type: "result", outcome: "ok", iterations: json, usage: json, totalMs: json },
        { type: "result", outcome: "ok", usage: { inputTokens: json, outputTokens: json, costUsd: json } }
      ]
      for (const value of values) assert.isTrue(isEvents(parse(JSON.stringify(value))))
    }
  )

  it.prop("takes any number for a count without throwing", [Schema.Finite], ([count]) => {
    const usage = { inputTokens: count, outputTokens: count, costUsd: count }
    const fields = { iterations: count, usage, totalMs: count }
    assert.isTrue(isEvents(parse(JSON.stringify({ type: "result", outcome: "ok", answer: "42", ...fields }))))
  })

  it("counts no further than a number can", () => {
    const { iterations, usage } = result({
      iterations: 1e300,
      usage: { inputTokens: 1e300, outputTokens: 2.9, costUsd: 1e300 },
      totalMs: 1e300
    })
    assert.strictEqual(usage.costUsd, Number.MAX_SAFE_INTEGER)
    assert.strictEqual(usage.wallMillis, Number.MAX_SAFE_INTEGER)
    assert.strictEqual(iterations, Number.MAX_SAFE_INTEGER)
    assert.strictEqual(usage.inputTokens, Number.MAX_SAFE_INTEGER)
    assert.strictEqual(usage.outputTokens, 2)
  })

  it("keeps what was reported of the cost, and nothing where nothing was", () => {
    assert.strictEqual(result({ usage: { costUsd: 0.5 } }).usage.costUsd, 0.5)
    assert.isFalse("costUsd" in result({ usage: null }).usage)
  })

  it("says nothing about empty lines and the acknowledgement of the request", () => {
    assert.deepStrictEqual(["", "  ", "\t\r", '{"type":"start","id":"qry_1"}'].flatMap(parse), [])
  })

  it("reads a line that ends in a carriage return", () => {
    assert.deepStrictEqual(parse('{"type":"ready","agent":"a"}\r'), [{ type: "ready", agent: "a" }])
  })

  it("gives the answer of an outcome that is ok and of no other", () => {
    for (const outcome of AgentEvent.Outcome.literals) {
      const event = result({ outcome, error: outcome === "ok" ? null : "because" })
      assert.strictEqual(event.outcome, outcome)
      assert.strictEqual(event.answer, outcome === "ok" ? "42" : "")
      assert.strictEqual(event.error, outcome === "ok" ? undefined : "because")
    }
  })

  it("calls a blank answer empty, however sure the agent is of it", () => {
    for (const answer of ["", " \n\t", null]) {
      const event = result({ answer })
      assert.strictEqual(event.outcome, "empty")
      assert.isNotEmpty(event.error)
    }
    assert.strictEqual(parse('{"type":"result","outcome":"ok"}')[0]?.type, "result")
  })

  it("calls an outcome that it does not know a crash", () => {
    for (const outcome of ["__proto__", "constructor", "toString", "OK", "", "x".repeat(1000)]) {
      const event = result({ outcome })
      assert.strictEqual(event.outcome, "crash")
      assert.strictEqual(event.error?.includes(JSON.stringify(outcome)), outcome.length <= 40)
      assert.isBelow(event.error?.length ?? 0, 100)
    }
  })

  it("says why there is no answer, where the agent does not", () => {
    assert.strictEqual(result({ outcome: "denied", answer: "not allowed" }).error, "not allowed")
    for (const error of [undefined, null, ""]) {
      assert.include(result({ outcome: "error", answer: "", error }).error, "error")
    }
  })

  it("is not fooled by fields that pretend to be inherited", () => {
    const tricks = [
      '{"type":"event","event":{"__proto__":{"type":"thinking","message":"x"}}}',
      '{"__proto__":{"type":"ready","agent":"x"}}',
      '{"type":"event","event":{"type":"__proto__"}}',
      '{"type":"event","event":{"type":"constructor","tool":"x"}}'
    ]
    for (const line of tricks) assert.deepStrictEqual(parse(line), [{ type: "raw", line }])
    assert.lengthOf(
      parse('{"type":"event","event":{"type":"tool_end","tool":"t","result":{"__proto__":{"polluted":1}}}}'),
      1
    )
    assert.notProperty({}, "polluted")
  })

  it("reads a line of a megabyte, and one of ten thousand levels", () => {
    const long = "é".repeat(1_000_000)
    assert.strictEqual(result({ answer: long }).answer, long)
    const deep = `${"[".repeat(10_000)}${"]".repeat(10_000)}`
    const [read] = parse(`{"type":"event","event":{"type":"tool_end","tool":"t","result":${deep}}}`)
    assert.strictEqual(read?.type, "tool_end")
    assert.deepStrictEqual(parse(deep), [{ type: "raw", line: deep }])
  })
})
