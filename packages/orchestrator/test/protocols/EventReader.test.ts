import { assert, describe, it } from "@effect/vitest"
import type { AgentEvent } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Effect, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as EventReader from "../../src/protocols/EventReader.ts"
import { exit, out } from "../support/support.ts"

const read = Effect.fnUntraced(function* (events: ReadonlyArray<Sandbox.ProcessEvent>) {
  const { read: reader } = yield* EventReader.make({ protocol: "runner-jsonl" })
  return (yield* Effect.forEach(events, reader)).flat()
})

const resultOf = (events: ReadonlyArray<AgentEvent.AgentEvent>): AgentEvent.ResultEvent => {
  const results = events.filter((event) => event.type === "result")
  assert.lengthOf(results, 1)
  assert.strictEqual(events.at(-1), results[0])
  assert(results[0] !== undefined)
  return results[0]
}

const output = [
  "warming up",
  '{"type":"ready","agent":"tiny","version":"1"}',
  "",
  '{"type":"event","event":{"type":"thinking","message":"Zoë 🤔 “hm”"}}',
  "{not json",
  '{"type":"event","event":{"type":"tool_start","tool":"t","args":{"a":[1,2]}}}',
  '{"type":"result","outcome":"ok","answer":"42\\n"}',
  "Bye."
].join("\n")

/** `text` in pieces; the cuts are taken modulo its length. */
const cut = (text: string, cuts: ReadonlyArray<number>): ReadonlyArray<string> => {
  const at = [...new Set(cuts.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b)
  return [0, ...at].map((from, index) => text.slice(from, at[index] ?? text.length))
}

const Cuts = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2000 })))

describe("EventReader", () => {
  it.effect.prop(
    "gives the same events however the output is cut, with the result last and once",
    [Cuts, Schema.Boolean],
    ([cuts, newline]) =>
      Effect.gen(function* () {
        const text = newline ? `${output}\n` : output
        const events = yield* read([...cut(text, cuts).map(out), exit(0)])
        assert.deepStrictEqual(events, yield* read([out(output), exit(0)]))
        assert.deepStrictEqual(
          events.map(({ type }) => type),
          ["raw", "ready", "thinking", "raw", "tool_start", "raw", "result"]
        )
        assert.strictEqual(resultOf(events).answer, "42\n")
      })
  )

  it.effect.prop(
    "ends with one result after any output and any exit code, and never throws",
    [Schema.Array(Schema.String), Schema.Int],
    ([texts, exitCode]) =>
      Effect.map(read([...texts.map(out), exit(exitCode)]), (events) => {
        assert.strictEqual(resultOf(events).outcome, "crash")
      })
  )

  it.effect(
    "shows an event as soon as its line is complete, and the result only once the program has ended",
    () =>
      Effect.gen(function* () {
        const { read: reader } = yield* EventReader.make({ protocol: "runner-jsonl" })
        assert.deepStrictEqual(yield* reader(out('{"type":"ready","ag')), [])
        assert.deepStrictEqual(yield* reader(out('ent":"a"}\n{"type":"result",')), [
          { type: "ready", agent: "a" }
        ])
        assert.deepStrictEqual(yield* reader(out('"outcome":"ok","answer":"42"}\nafter')), [])
        assert.deepStrictEqual(yield* reader(out("wards\n")), [{ type: "raw", line: "afterwards" }])
        assert.strictEqual(resultOf(yield* reader(exit(1))).answer, "42")
      })
  )

  it.effect("lets the first of several results count", () =>
    Effect.gen(function* () {
      const one = '{"type":"result","outcome":"denied","answer":"","error":"no"}\n'
      const two = '{"type":"result","outcome":"ok","answer":"42"}\n'
      assert.strictEqual(resultOf(yield* read([out(one), out(two), exit(0)])).outcome, "denied")
    })
  )

  it.effect(
    "calls an end without a result a crash, and says how the program ended and how long it took",
    () =>
      Effect.gen(function* () {
        for (const exitCode of [0, 3, 137]) {
          const { error, outcome } = resultOf(
            yield* read([out('{"type":"ready","agent":"a"}\n'), exit(exitCode)])
          )
          assert.strictEqual(outcome, "crash")
          assert.include(error, `exit code ${exitCode}`)
        }
        assert.include(resultOf(yield* read([exit(-1)])).error, "killed")
        const { read: reader } = yield* EventReader.make({ protocol: "runner-jsonl" })
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(resultOf(yield* reader(exit(1))).usage.wallMillis, 3000)
      })
  )

  it.effect("takes no notice of standard error and of the start", () =>
    Effect.gen(function* () {
      const events = yield* read([
        { _tag: "Started", pid: 7 },
        { _tag: "Stderr", text: '{"type":"ready","agent":"a"}\n' },
        out('{"type":"result","outcome":"ok","answer":"42"}'),
        exit(0)
      ])
      assert.deepStrictEqual(
        events.map(({ type }) => type),
        ["result"]
      )
    })
  )

  it.effect.each([1, 7, 64])(
    "strikes secrets out of the last words before they are cut, in pieces of %i",
    (size) =>
      Effect.gen(function* () {
        const secret = `fake-${"0123456789abcdef".repeat(9)}-end`
        const { read: reader } = yield* EventReader.make({
          protocol: "runner-jsonl",
          secrets: [Redacted.make(secret)]
        })
        const text = `${`${secret} `.repeat(37)}\n${secret}\n`.repeat(9)
        for (let from = 0; from < text.length; from += size) {
          yield* reader({ _tag: "Stderr", text: text.slice(from, from + size) })
        }
        // Longer than a line is kept, and cut within a secret.
        yield* reader({ _tag: "Stderr", text: `${secret} `.repeat(1000) })
        const said = JSON.stringify(yield* reader(exit(1)))
        assert.include(said, "***")
        assert.notMatch(said, /fake|0123|end\W/)
      })
  )

  it.effect("reads a line of megabytes that comes in small pieces", () =>
    Effect.gen(function* () {
      const answer = "x".repeat(4_000_000)
      const text = `${JSON.stringify({ type: "result", outcome: "ok", answer })}\n`
      const pieces = cut(
        text,
        Array.from({ length: 4000 }, (_, index) => index * 1000)
      )
      assert.strictEqual(resultOf(yield* read([...pieces.map(out), exit(0)])).answer, answer)
    })
  )
})
