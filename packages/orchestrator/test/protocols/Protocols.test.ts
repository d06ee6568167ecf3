import { assert, describe, it } from "@effect/vitest"
import { type AgentEvent, type Profile, TokenUsage } from "@remote-agent/domain"
import { EventReader } from "@remote-agent/orchestrator"
import { Effect, Redacted, Schema } from "effect"
import { readFileSync } from "node:fs"
import { exit, out } from "../support/support.ts"

/** What an agent really printed. */
const fixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/${name}.jsonl`, import.meta.url), "utf8")

const protocols = {
  claude: "claude-stream-json",
  codex: "codex-jsonl",
  opencode: "opencode-json"
} as const

type Of = Pick<EventReader.Options, "protocol" | "jsonPath" | "secrets">

const read = Effect.fnUntraced(function* (options: Of, pieces: ReadonlyArray<string>, exitCode = 0) {
  const { read: step } = yield* EventReader.make(options)
  return (yield* Effect.forEach([...pieces.map(out), exit(exitCode)], step)).flat()
})

const resultOf = (events: ReadonlyArray<AgentEvent.AgentEvent>): AgentEvent.ResultEvent => {
  const results = events.filter((event) => event.type === "result")
  assert.lengthOf(results, 1)
  assert(results[0] !== undefined && results[0] === events.at(-1))
  return results[0]
}

const claudeResult = (text: string) =>
  `${JSON.stringify({ type: "result", subtype: "success", result: text })}\n`

const textOf = (pieces: ReadonlyArray<string>, exitCode = 0) => read({ protocol: "text" }, pieces, exitCode)

const textOutcome = (pieces: ReadonlyArray<string>, exitCode: number) =>
  Effect.map(textOf(pieces, exitCode), (events) => resultOf(events).outcome)

const claudeEnded = (name: string) =>
  Effect.map(read({ protocol: "claude-stream-json" }, [fixture(name)]), resultOf)

const opencodeLine = (type: string, part: object) => `${JSON.stringify({ type, sessionID: "s", part })}\n`

const types = (events: ReadonlyArray<AgentEvent.AgentEvent>) => events.map(({ type }) => type)

/** The bytes in pieces, cut anywhere, also inside a character, and decoded as a stream of them is. */
const cutBytes = (text: string, cuts: ReadonlyArray<number>): ReadonlyArray<string> => {
  const bytes = new TextEncoder().encode(text)
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b)
  const decoder = new TextDecoder()
  return [0, ...at].map((from, index) =>
    decoder.decode(bytes.subarray(from, at[index] ?? bytes.length), { stream: true })
  )
}

const Cuts = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20_000 })))

const noise = "\u001B[2K⠋ loading…\r\n{not json\n[1]\n\u001B]0;title\u0007\n"

describe.each([
  "claude-answer",
  "claude-error401",
  "claude-tool",
  "claude-denied",
  "codex-tool",
  "codex-error401",
  "opencode-tool",
  "opencode-error401"
] as const)("%s", (name) => {
  const protocol = protocols[name.split("-")[0] as keyof typeof protocols]

  it.effect.prop(
    "is read the same however its bytes are cut, and whatever noise comes before",
    [Cuts],
    ([cuts]) =>
      Effect.gen(function* () {
        const text = noise + fixture(name).replaceAll(/FINAL|Incorrect/g, "“é🤔”")
        const whole = yield* read({ protocol }, [text])
        assert.deepStrictEqual(yield* read({ protocol }, cutBytes(text, cuts)), whole)
        const clean = yield* read({ protocol }, [fixture(name)])
        assert.deepStrictEqual(types(whole).slice(-types(clean).length), types(clean))
      })
  )

  it.effect("has crashed when it is cut off before its result, whatever the exit code", () =>
    Effect.gen(function* () {
      const lines = fixture(name).trimEnd().split("\n")
      // Of opencode the first error, or the end of the last step, is the result.
      const { outcome } = resultOf(yield* read({ protocol }, [lines.slice(0, 1).join("\n")]))
      assert.strictEqual(outcome, name === "opencode-error401" ? "error" : "crash")
    })
  )
})

describe("claude-stream-json", () => {
  it.effect("tells an answer with the session, the turns and what it cost", () =>
    Effect.gen(function* () {
      const events = yield* read({ protocol: "claude-stream-json" }, [fixture("claude-tool")])
      // The first line is of a kind that is not known, and comes before the one that says hello.
      assert.deepStrictEqual(types(events), [
        "raw",
        "ready",
        "session",
        "tool_start",
        "usage",
        "tool_error",
        "text",
        "result"
      ])
      assert.deepInclude(events[1], { agent: "claude-code", version: "2.1.330" })
      assert.deepInclude(events[4], {
        usage: new TokenUsage.TokenUsage({ ...TokenUsage.zero, inputTokens: 100, outputTokens: 1 })
      })
      assert.deepInclude(events[5], { tool: "Bash", data: "Exit code 3\nhi" })
      const { answer, outcome, usage, ...rest } = resultOf(events)
      assert.strictEqual(outcome, "ok")
      assert.include(answer, "FINAL(3 msgs)")
      assert.strictEqual(rest.iterations, 2)
      assert.isString(rest.sessionId)
      assert.strictEqual(usage.inputTokens, 200)
      assert.strictEqual(usage.outputTokens, 40)
      assert.closeTo(usage.costUsd ?? 0, 0.0012, 1e-9)
    })
  )

  it.effect("takes an error for one although it is called a success", () =>
    Effect.gen(function* () {
      const events = yield* read({ protocol: "claude-stream-json" }, [fixture("claude-error401")], 1)
      assert.deepStrictEqual(types(events), ["raw", "ready", "session", "retry", "notice", "result"])
      assert.deepInclude(events[3], { attempt: 1, max: 1, status: 401 })
      const { answer, error, outcome } = resultOf(events)
      assert.deepStrictEqual([outcome, answer], ["error", ""])
      assert.include(error, "Incorrect API key provided")
      const keyless = yield* claudeEnded("claude-nokey")
      assert.strictEqual(keyless.outcome, "error")
      assert.include(keyless.error, "Not logged in")
    })
  )

  it.effect("tells the ends of a budget and of the turns apart, and counts what was used until then", () =>
    Effect.gen(function* () {
      const budget = yield* claudeEnded("claude-budget")
      assert.strictEqual(budget.outcome, "error")
      assert.include(budget.error?.toLowerCase(), "budget")
      assert.strictEqual(budget.usage.inputTokens, 100)
      assert.strictEqual((yield* claudeEnded("claude-turns")).outcome, "max_iterations")
    })
  )

  it.effect("counts for a resumed session only what this query cost", () =>
    Effect.gen(function* () {
      const { usage } = yield* claudeEnded("claude-resume-tool")
      assert.strictEqual(usage.inputTokens, 100)
      assert.closeTo(usage.costUsd ?? 0, 0.0006, 1e-9)
    })
  )

  it.effect("answers after a denied tool, and is denied when it then says nothing", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* claudeEnded("claude-denied")).outcome, "ok")
      const lines = fixture("claude-denied").trimEnd().split("\n")
      const last = JSON.stringify({ ...JSON.parse(lines.pop() ?? ""), result: "" })
      const silent = [...lines, last].join("\n")
      const { outcome } = resultOf(yield* read({ protocol: "claude-stream-json" }, [silent]))
      assert.strictEqual(outcome, "denied")
    })
  )

  it.effect("lets the last of several results count", () =>
    Effect.gen(function* () {
      const { answer } = resultOf(
        yield* read({ protocol: "claude-stream-json" }, [claudeResult("first"), claudeResult("last")])
      )
      assert.strictEqual(answer, "last")
    })
  )
})

describe("codex-jsonl", () => {
  it.effect("takes a warning that is called an error for a notice, and the last message for the answer", () =>
    Effect.gen(function* () {
      const events = yield* read({ protocol: "codex-jsonl" }, [fixture("codex-tool")])
      assert.deepStrictEqual(types(events), [
        "ready",
        "session",
        "notice",
        "tool_start",
        "tool_error",
        "text",
        "result"
      ])
      assert.include(JSON.stringify(events[4]), '"exit_code":3')
      const { answer, outcome, sessionId, usage } = resultOf(events)
      assert.strictEqual(outcome, "ok")
      assert.include(answer, "FINAL(6 msgs)")
      assert.isString(sessionId)
      assert.strictEqual(usage.inputTokens, 200)
    })
  )

  it.effect("fails with a turn that failed, and tells of the attempts before", () =>
    Effect.gen(function* () {
      const events = yield* read({ protocol: "codex-jsonl" }, [fixture("codex-error401")], 1)
      assert.deepStrictEqual(types(events), ["ready", "session", "notice", "retry", "notice", "result"])
      assert.deepInclude(events[3], { attempt: 1, max: 1 })
      const { error, outcome } = resultOf(events)
      assert.strictEqual(outcome, "error")
      assert.include(error, "401 Unauthorized")
    })
  )
})

/** A line of Claude Code about a block of one of its messages. */
const claudeBlock = (id: string, output_tokens: number, text: string) =>
  `${JSON.stringify({
    type: "assistant",
    message: {
      id,
      content: [{ type: "text", text }],
      usage: { input_tokens: 10, cache_read_input_tokens: 5, output_tokens }
    }
  })}\n`

describe("usage", () => {
  it.effect("is told after each message of Claude Code, in as many lines as it comes", () =>
    Effect.gen(function* () {
      const events = yield* read({ protocol: "claude-stream-json" }, [
        claudeBlock("m1", 1, "a") + claudeBlock("m1", 1, "b") + claudeBlock("m1", 7, "c"),
        claudeBlock("m2", 3, "d")
      ])
      assert.deepStrictEqual(
        events.flatMap((event) => (event.type === "usage" ? [event.usage] : [])),
        [
          [15, 1],
          [15, 7],
          [30, 10]
        ].map(
          ([inputTokens = 0, outputTokens = 0]) =>
            new TokenUsage.TokenUsage({ ...TokenUsage.zero, inputTokens, outputTokens })
        )
      )
      const { outcome, usage } = resultOf(events)
      assert.deepStrictEqual([outcome, usage.inputTokens, usage.outputTokens], ["crash", 30, 10])
    })
  )

  it.effect("has no cost when opencode knows no price", () =>
    Effect.gen(function* () {
      const events = yield* read({ protocol: "opencode-json" }, [
        opencodeLine("step_finish", { reason: "tool-calls", cost: 0, tokens: { input: 5, output: 1 } }),
        opencodeLine("step_finish", { reason: "tool-calls", cost: 0.5, tokens: { input: 5, output: 1 } }),
        opencodeLine("text", { text: "four", messageID: "m1" }),
        opencodeLine("step_finish", { reason: "stop", cost: 0.25, tokens: { input: 5, output: 1 } })
      ])
      const costs = events.flatMap((event) => ("usage" in event ? [event.usage.costUsd] : []))
      assert.deepStrictEqual(costs, [undefined, 0.5, 0.75])
    })
  )
})

describe("opencode-json", () => {
  it.effect("adds up its steps, and answers with the text of the last message", () =>
    Effect.gen(function* () {
      const events = yield* read({ protocol: "opencode-json" }, [fixture("opencode-tool")])
      assert.deepStrictEqual(types(events), [
        "ready",
        "session",
        "tool_start",
        "tool_end",
        "usage",
        "text",
        "result"
      ])
      const { answer, iterations, outcome, usage } = resultOf(events)
      assert.deepStrictEqual([outcome, iterations, usage.inputTokens, usage.outputTokens], ["ok", 2, 200, 40])
      assert.strictEqual(answer, "FINAL(4 msgs): stub answer. turns=1 q=do it")
    })
  )

  it.effect("leaves out of the answer what was said on the way to it", () =>
    Effect.gen(function* () {
      const events = yield* read({ protocol: "opencode-json" }, [
        opencodeLine("text", { text: "Let me look.", messageID: "m1" }),
        opencodeLine("step_finish", { reason: "tool-calls" }),
        opencodeLine("text", { text: "It is ", messageID: "m2" }),
        opencodeLine("text", { text: "four.", messageID: "m2" }),
        opencodeLine("step_finish", { reason: "stop" })
      ])
      assert.strictEqual(resultOf(events).answer, "It is four.")
    })
  )

  it.effect("fails with an error", () =>
    Effect.gen(function* () {
      const { error, outcome, sessionId } = resultOf(
        yield* read({ protocol: "opencode-json" }, [fixture("opencode-error401")], 1)
      )
      assert.deepStrictEqual([outcome, error], ["error", "Incorrect API key provided"])
      assert.isString(sessionId)
    })
  )
})

describe("text", () => {
  it.effect(
    "takes the whole output for the answer, without what a terminal swallows, and tells it line by line",
    () =>
      Effect.gen(function* () {
        const events = yield* textOf(["\u001B[1mOne", "\u001B[0m\r\n\nTw", "o"])
        assert.deepStrictEqual(types(events), ["text", "text", "result"])
        assert.strictEqual(resultOf(events).answer, "One\n\nTwo")
      })
  )

  it.effect("is an error with another exit code, empty without output, and a crash when killed", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* textOutcome(["almost"], 2), "error")
      assert.strictEqual(yield* textOutcome([" \n"], 0), "empty")
      assert.strictEqual(yield* textOutcome(["half"], -1), "crash")
    })
  )
})

describe("json-path", () => {
  const jsonPath = { answer: "$.out[1].text", error: "$.problem", session: "$.id" }
  const ended = (output: string, exitCode = 0, path: Profile.RunSpec["jsonPath"] = jsonPath) =>
    Effect.map(read({ protocol: "json-path", ...(path && { jsonPath: path }) }, [output], exitCode), resultOf)

  it.effect("finds the answer, the session and an error in the document, over lines or after noise", () =>
    Effect.gen(function* () {
      const document = { id: "s1", out: [{}, { text: "42" }] }
      for (const output of [
        JSON.stringify(document),
        JSON.stringify(document, null, 2),
        `loading\n${JSON.stringify(document)}\n`,
        `loading\n${JSON.stringify(document, null, 2)}\n`
      ]) {
        const { answer, outcome, sessionId } = yield* ended(output)
        assert.deepStrictEqual([outcome, answer, sessionId], ["ok", "42", "s1"])
      }
      const failed = yield* ended(JSON.stringify({ ...document, problem: { code: 3 } }))
      assert.deepStrictEqual([failed.outcome, failed.error], ["error", '{"code":3}'])
    })
  )

  it.effect("is an error without a document, and with another exit code; empty without the answer", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* ended("nothing")).outcome, "error")
      assert.strictEqual((yield* ended('{"out":[0,{"text":"42"}]}', 1)).outcome, "error")
      assert.strictEqual((yield* ended('{"out":[]}')).outcome, "empty")
      assert.strictEqual((yield* ended('{"a":1}', 0, { answer: "$.toString" })).outcome, "empty")
    })
  )
})

describe("any protocol", () => {
  const all = [
    { protocol: "runner-jsonl" },
    { protocol: "claude-stream-json" },
    { protocol: "codex-jsonl" },
    { protocol: "opencode-json" },
    { protocol: "text" },
    { protocol: "json-path", jsonPath: { answer: "$.a" } }
  ] as const

  it.effect.prop(
    "ends any output with one result and never throws",
    [Schema.Array(Schema.String), Schema.Int],
    ([pieces, exitCode]) =>
      Effect.forEach(all, (options) => Effect.map(read(options, pieces, exitCode), resultOf), {
        discard: true
      })
  )

  it.effect.prop("ends any JSON with one result and never throws", [Schema.Array(Schema.Json)], ([values]) =>
    Effect.forEach(
      all,
      (options) =>
        Effect.map(
          read(
            options,
            values.map((value) => `${JSON.stringify(value)}\n`)
          ),
          resultOf
        ),
      { discard: true }
    )
  )

  it.effect("keeps no more of a line without an end than it may, and goes on with the next", () =>
    Effect.gen(function* () {
      const piece = "x".repeat(1024 * 1024)
      const { read: step } = yield* EventReader.make({ protocol: "runner-jsonl" })
      for (let count = 0; count < 20; count++) assert.deepStrictEqual(yield* step(out(piece)), [])
      const events = yield* step(out('\n{"type":"ready","agent":"a"}\n'))
      assert.deepStrictEqual(types(events), ["raw", "notice", "ready"])
      assert(events[0]?.type === "raw")
      assert.isBelow(events[0].line.length, 70_000)
      assert.include(events[0].line, "cut")
    })
  )

  it.effect("reads a result of megabytes", () =>
    Effect.gen(function* () {
      const answer = "é".repeat(3 * 1024 * 1024)
      const text = `${JSON.stringify({ type: "result", outcome: "ok", answer })}\n`
      const pieces = text.match(/[\s\S]{1,65536}/g) ?? []
      assert.strictEqual(resultOf(yield* read({ protocol: "runner-jsonl" }, pieces)).answer, answer)
    })
  )

  it.effect("tells the last words on standard error when there is no answer, and only then", () =>
    Effect.gen(function* () {
      const { read: step } = yield* EventReader.make({ protocol: "runner-jsonl" })
      yield* step({ _tag: "Stderr", text: "claude: not " })
      yield* step({ _tag: "Stderr", text: "found\n" })
      const events = yield* step(exit(127))
      assert.deepStrictEqual(events[0], { type: "notice", text: "standard error: claude: not found" })
      assert.strictEqual(resultOf(events).outcome, "crash")
    })
  )
})

describe("secrets", () => {
  const secret = 'sk-"canary"\\0123456789'
  const secrets = [
    Redacted.make(secret),
    Redacted.make("x"),
    Redacted.make("line one of a key\nline two of a key")
  ]

  it.effect.prop("are struck out of every event, however the output is cut", [Cuts], ([cuts]) =>
    Effect.gen(function* () {
      const inner = { type: "tool_end", tool: secret, result: { [secret]: [`a ${secret} b`, "x"] } }
      const text = [
        JSON.stringify({ type: "event", event: inner }),
        JSON.stringify({ unknown: secret }),
        `noise ${secret} ${btoa(secret)} ${encodeURIComponent(secret)}`,
        "line two of a key",
        JSON.stringify({ type: "result", outcome: "error", answer: secret, error: `no ${secret}` })
      ].join("\n")
      const events = yield* read({ protocol: "runner-jsonl", secrets }, cutBytes(text, cuts))
      const shown = JSON.stringify(events)
      for (const part of [JSON.stringify(secret).slice(1, -1), "canary", "line two", btoa(secret)]) {
        assert.notInclude(shown, part)
      }
      assert.include(shown, "***")
      // A value that short would strike out half of every text.
      assert.include(shown, '"x"')
      assert.deepStrictEqual(types(events), ["tool_end", "raw", "raw", "raw", "result"])
    })
  )

  it.effect("are not told in part where an outcome is not known", () =>
    Effect.gen(function* () {
      const long = `canary-${"0123456789".repeat(6)}`
      for (const outcome of [long, "odd"]) {
        const text = JSON.stringify({ type: "result", outcome })
        const options = { protocol: "runner-jsonl", secrets: [Redacted.make(long)] } as const
        const shown = JSON.stringify(yield* read(options, cutBytes(text, [])))
        assert.include(shown, "unknown outcome")
        assert.strictEqual(shown.includes("odd"), outcome === "odd")
        assert.notInclude(shown, "canary")
      }
    })
  )

  it.effect("are struck out of standard error", () =>
    Effect.gen(function* () {
      const { read: step } = yield* EventReader.make({ protocol: "text", secrets })
      for (const text of [secret.slice(0, 9), secret.slice(9)]) yield* step({ _tag: "Stderr", text })
      assert.notInclude(JSON.stringify(yield* step(exit(1))), "canary")
    })
  )
})
