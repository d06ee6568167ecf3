import { assert, describe, it } from "@effect/vitest"
import { type AgentEvent, TokenUsage } from "@remote-agent/domain"
import type { Job } from "@remote-agent/sandbox"
import { Duration } from "effect"
import { programResult } from "../../src/runtime/programResult.ts"

const limits = {
  idle: Duration.seconds(4),
  wall: Duration.minutes(15),
  completionGrace: Duration.seconds(10)
}

const result = (outcome: AgentEvent.Outcome): AgentEvent.ResultEvent => ({
  type: "result",
  outcome,
  answer: outcome === "ok" ? "42" : "",
  ...(outcome === "ok" ? {} : { error: "x" }),
  usage: new TokenUsage.TokenUsage({ ...TokenUsage.zero, inputTokens: 7 })
})

const killed = (by: "request" | "idle" | "wall", before?: Job.Cursor): Job.End => ({
  _tag: "Killed",
  by,
  exitCode: 1,
  ...(before === undefined ? {} : { before })
})

const start = { stdout: 0, stderr: 0 }

const told = (exit: Job.End, outcome: AgentEvent.Outcome, concluded: boolean) =>
  programResult({ exit, concluded, result: result(outcome) }, limits).map((event) =>
    event.type === "result" ? [event.outcome, event.limit, event.usage.inputTokens] : [event.type]
  )

describe("programResult", () => {
  for (const by of ["idle", "wall"] as const) {
    it(`a program that the ${by} limit killed has that limit, whatever it printed after our signal`, () => {
      for (const outcome of ["ok", "aborted", "crash"] as const) {
        assert.deepStrictEqual(told(killed(by, start), outcome, false), [["timeout", by, 7]])
      }
    })

    it(`a result that was given before the ${by} limit is kept, with a notice`, () => {
      assert.deepStrictEqual(told(killed(by, start), "ok", true), [["notice"], ["ok", undefined, 7]])
    })

    it(`where it is not known what came before the ${by} limit, an aborted program did not conclude by itself`, () => {
      assert.deepStrictEqual(told(killed(by), "aborted", true), [["timeout", by, 7]])
      assert.deepStrictEqual(told(killed(by), "ok", true), [["notice"], ["ok", undefined, 7]])
    })
  }

  it("the error of a time limit names what the agent was retrying", () => {
    const retrying = "attempt 7 after status 429: The model's server answered 429: Slow down"
    for (const [exit, outcome] of [
      [killed("idle", start), "crash"],
      [killed("wall", start), "crash"],
      [{ _tag: "Exited", exitCode: 1 }, "aborted"]
    ] as const) {
      const [event] = programResult(
        { exit, concluded: false, result: result(outcome), retrying },
        limits
      ).slice(-1)
      const [without] = programResult({ exit, concluded: false, result: result(outcome) }, limits)
      assert(event?.type === "result" && without?.type === "result")
      assert.strictEqual(event.outcome, "timeout")
      assert.include(event.error, `It was retrying (${retrying}). Allow`)
      assert.notInclude(without.error, "retrying")
    }
  })

  it("the answer of a killed program is not shown, and its error names the limit and what to do", () => {
    const [event] = programResult(
      { exit: killed("idle", start), concluded: false, result: result("ok") },
      limits
    )
    assert(event?.type === "result")
    assert.strictEqual(event.answer, "")
    assert.match(event.error ?? "", /silent for 4s.*idleTimeout/)
  })

  it("a program that aborts by itself ran into the time that it was told", () => {
    const exited = { _tag: "Exited", exitCode: 1 } as const
    assert.deepStrictEqual(told(exited, "aborted", true), [["timeout", "wall", 7]])
    assert.deepStrictEqual(told(exited, "error", true), [["error", undefined, 7]])
  })

  it("a program that was killed because it did not end after its result keeps the result", () => {
    assert.deepStrictEqual(told(killed("request", start), "ok", true), [["notice"], ["ok", undefined, 7]])
  })

  it("a program that was killed on request without a result has crashed, without a notice", () => {
    assert.deepStrictEqual(told(killed("request", start), "crash", false), [["crash", undefined, 7]])
    assert.deepStrictEqual(told({ _tag: "Lost" }, "crash", false), [["crash", undefined, 7]])
  })
})
