import { assert, describe, it } from "@effect/vitest"
import type { AgentEvent, Profile } from "@remote-agent/domain"
import { EventReader } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { exit, out } from "../support/support.ts"

const fixture = (name: string): ReadonlyArray<string> =>
  readFileSync(new URL(`../fixtures/${name}.jsonl`, import.meta.url), "utf8")
    .trimEnd()
    .split("\n")

/** Reads lines, and returns after each whether the agent said that nothing is open, and all events. */
const read = Effect.fnUntraced(function* (
  protocol: Profile.Protocol,
  lines: ReadonlyArray<string>,
  exitCode = 0
) {
  const reader = yield* EventReader.make({ protocol })
  const events: Array<AgentEvent.AgentEvent> = []
  const concluded: Array<boolean> = []
  for (const line of lines) {
    events.push(...(yield* reader.read(out(`${line}\n`))))
    concluded.push(reader.concluded())
  }
  const answered = reader.answered(Infinity)
  const last = yield* reader.read(exit(exitCode))
  const result = last.at(-1)
  assert(result?.type === "result")
  return { answered, concluded, events: [...events, ...last.slice(0, -1)], result }
})

const textsOf = (events: ReadonlyArray<AgentEvent.AgentEvent>) =>
  events.flatMap((event) => (event.type === "text" ? [event.text] : []))

const usagesOf = (events: ReadonlyArray<AgentEvent.AgentEvent>) =>
  events.flatMap((event) => (event.type === "usage" ? [event.usage.inputTokens] : []))

const none = (concluded: ReadonlyArray<boolean>) => assert.isFalse(concluded.includes(true))

describe("opencode that compacts its context", () => {
  const lines = fixture("opencode-compaction")

  it.effect("answers with its last message and is at no time taken for done", () =>
    Effect.gen(function* () {
      const { concluded, events, result } = yield* read("opencode-json", lines)
      assert.deepStrictEqual([result.outcome, result.answer], ["ok", "FINAL: both steps are done."])
      assert.deepStrictEqual([result.usage.inputTokens, result.usage.outputTokens], [19_200, 60])
      none(concluded)
      assert.deepStrictEqual(textsOf(events), [
        "SUMMARY: step 1 of 2 is done.",
        "FINAL: both steps are done."
      ])
      assert.deepStrictEqual(usagesOf(events), [19_000, 19_100], "budgets see the first end")
      assert.include(JSON.stringify(events.filter(({ type }) => type === "raw")), "Continue if you have next")
    })
  )

  it.effect("has crashed, and not answered, when it ends in the middle", () =>
    Effect.gen(function* () {
      for (const count of [6, 7]) {
        const { answered, result } = yield* read("opencode-json", lines.slice(0, count), 1)
        assert.isFalse(answered)
        assert.deepStrictEqual([result.outcome, result.answer], ["crash", ""])
        assert.include(result.error, "continued after a first result")
        assert.strictEqual(result.usage.inputTokens, 19_100)
      }
    })
  )
})

const claude = (value: object) => JSON.stringify(value)
const init = claude({ type: "system", subtype: "init", session_id: "s1", claude_code_version: "2" })
const background = (...tasks: ReadonlyArray<string>) =>
  claude({
    type: "system",
    subtype: "background_tasks_changed",
    tasks: tasks.map((task_id) => ({ task_id }))
  })
const says = (text: string, more: object = {}, message: object = {}) =>
  claude({
    type: "assistant",
    message: {
      id: `m-${text}`,
      content: [{ type: "text", text }],
      usage: { input_tokens: 10, output_tokens: 1 },
      ...message
    },
    ...more
  })
const ends = (result: string, more: object = {}) =>
  claude({
    type: "result",
    subtype: "success",
    result,
    num_turns: 2,
    duration_ms: 1000,
    total_cost_usd: 0.5,
    usage: { input_tokens: 100, output_tokens: 20 },
    ...more
  })

const since = (inputTokens: number, costUSD: number) => ({
  model_usage_since_last_result: { m: { inputTokens, outputTokens: 1, costUSD } }
})
const user = (content: unknown) => claude({ type: "user", message: { role: "user", content } })

describe("Claude Code with work in the background", () => {
  it.effect("answers with its second result, and the usage of both", () =>
    Effect.gen(function* () {
      const { concluded, events, result } = yield* read("claude-stream-json", [
        init,
        says("Started."),
        ends("It runs."),
        background("b1"),
        background(),
        init,
        says("Done."),
        ends("All done.")
      ])
      assert.deepStrictEqual([result.outcome, result.answer, result.iterations], ["ok", "All done.", 4])
      const { costUsd, inputTokens, outputTokens, wallMillis } = result.usage
      assert.deepStrictEqual([inputTokens, outputTokens, costUsd, wallMillis], [200, 40, 1, 2000])
      assert.deepStrictEqual(concluded, [false, false, false, false, false, false, false, true])
      assert.deepStrictEqual(usagesOf(events), [10, 100, 110], "budgets see the first result")
    })
  )

  it.effect("sums up what the models used since the result before", () =>
    Effect.gen(function* () {
      const { result } = yield* read("claude-stream-json", [
        init,
        ends("one", { ...since(7, 0.25), total_cost_usd: 9 }),
        says("more"),
        ends("two", { ...since(5, 0.5), total_cost_usd: 9.5 })
      ])
      const { costUsd, inputTokens, outputTokens } = result.usage
      assert.deepStrictEqual([inputTokens, outputTokens, costUsd], [12, 2, 0.75])
    })
  )

  it.effect("is done with a result only once it has said that no task is left", () =>
    Effect.gen(function* () {
      const { concluded } = yield* read("claude-stream-json", [
        init,
        ends("one"),
        background("b1"),
        ends("two"),
        background(),
        ends("three"),
        background("b2")
      ])
      assert.deepStrictEqual(concluded, [false, false, false, false, false, true, false])
    })
  )

  it.effect("has crashed when it ends while it goes on after a result", () =>
    Effect.gen(function* () {
      const { result } = yield* read(
        "claude-stream-json",
        [init, ends("It runs."), says("Now the rest")],
        137
      )
      assert.deepStrictEqual([result.outcome, result.answer], ["crash", ""])
      assert.strictEqual(result.usage.inputTokens, 110)
    })
  )

  it.effect("has answered when its process is killed after a result behind which nothing came", () =>
    Effect.gen(function* () {
      const { answered, result } = yield* read(
        "claude-stream-json",
        [init, ends("It runs."), background()],
        -1
      )
      assert.isTrue(answered)
      assert.strictEqual(result.answer, "It runs.")
    })
  )
})

/** A text of opencode. */
const part = (text: string, more: object) =>
  JSON.stringify({ type: "text", sessionID: "s", part: { messageID: "m1", text, ...more } })

describe("words in the name of others", () => {
  it.effect("of the user are not those of Claude Code", () =>
    Effect.gen(function* () {
      const { events } = yield* read("claude-stream-json", [
        init,
        user("why?"),
        user([{ type: "text", text: "Output token limit hit. Resume directly" }]),
        user([{ type: "tool_result", tool_use_id: "t1", content: "hi" }]),
        says("No response requested.", {}, { model: "<synthetic>" }),
        says("A subagent's finding.", { parent_tool_use_id: "t2" }),
        says("Words of its own."),
        ends("Words of its own.")
      ])
      assert.deepStrictEqual(textsOf(events), ["Words of its own."])
      assert.deepStrictEqual(
        events.map(({ type }) => type).filter((type) => type !== "usage"),
        ["ready", "session", "raw", "raw", "tool_end", "notice", "thinking", "text"]
      )
      assert.include(JSON.stringify(events), "Resume directly")
    })
  )

  it.effect("of the user are not those of opencode", () =>
    Effect.gen(function* () {
      const stop = JSON.stringify({ type: "step_finish", sessionID: "s", part: { reason: "stop" } })
      const { events, result } = yield* read("opencode-json", [
        part("Go on.", { synthetic: true }),
        part("Not shown.", { ignored: true }),
        part("Four.", { synthetic: false }),
        stop
      ])
      assert.deepStrictEqual([textsOf(events), result.answer], [["Four."], "Four."])
    })
  )
})

const turn = (type: string, more: object = {}) => JSON.stringify({ type, ...more })

const item = (when: string, id: string) =>
  turn(`item.${when}`, { item: { id, type: "command_execution", command: "sleep 60" } })

describe("Codex", () => {
  it.effect("is done at the end of a turn, unless an item runs or another turn begins", () =>
    Effect.gen(function* () {
      const { concluded, result } = yield* read("codex-jsonl", [
        turn("turn.started"),
        item("started", "i1"),
        turn("turn.completed"),
        item("completed", "i1"),
        turn("turn.started"),
        turn("item.completed", { item: { id: "i2", type: "agent_message", text: "four" } }),
        turn("turn.completed")
      ])
      assert.deepStrictEqual(concluded, [false, false, false, true, false, false, true])
      assert.deepStrictEqual([result.outcome, result.answer], ["ok", "four"])
    })
  )
})

describe("a runner", () => {
  it.effect("is done with its first result, whatever it prints after it", () =>
    Effect.gen(function* () {
      const done = JSON.stringify({ type: "result", outcome: "ok", answer: "42" })
      const { concluded, result } = yield* read("runner-jsonl", [
        "hello",
        done,
        "bye",
        done.replace("42", "0")
      ])
      assert.deepStrictEqual(concluded, [false, true, true, true])
      assert.strictEqual(result.answer, "42")
    })
  )

  it.effect("reports the retries of its libraries", () =>
    Effect.gen(function* () {
      const event = { type: "retry", attempt: 2, max: 5, status: 429, delayMillis: 1500 } as const
      const { events } = yield* read("runner-jsonl", [JSON.stringify({ type: "event", event })])
      assert.deepStrictEqual(events, [event])
    })
  )
})

describe("what an agent retries", () => {
  it.effect("is known until the agent goes on", () =>
    Effect.gen(function* () {
      const reader = yield* EventReader.make({ protocol: "runner-jsonl" })
      const event = (value: object) =>
        reader.read(out(`${JSON.stringify({ type: "event", event: value })}\n`))
      yield* event({ type: "notice", message: "hello" })
      assert.isUndefined(reader.retrying())
      yield* event({ type: "retry", attempt: 1, status: 500 })
      yield* event({ type: "retry", attempt: 2, status: 429 })
      assert.strictEqual(reader.retrying(), "attempt 2 after status 429")
      yield* event({ type: "notice", message: "Slow down" })
      assert.strictEqual(reader.retrying(), "attempt 2 after status 429: Slow down")
      yield* reader.read(out("noise\n"))
      assert.isDefined(reader.retrying())
      yield* event({ type: "thinking", message: "hm" })
      assert.isUndefined(reader.retrying())
    })
  )
})
