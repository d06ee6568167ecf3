import { assert, describe, it } from "@effect/vitest"
import {
  type AgentEvent,
  type AgentLifecycle,
  Budget,
  Id,
  OrchestratorError,
  SandboxError,
  TokenUsage
} from "@remote-agent/domain"
import { Effect } from "effect"
import { failedResult } from "../../src/protocols/EventReader.ts"
import { type Progress, type QueryEnd, queryOutcome } from "../../src/queries/queryOutcome.ts"

const id = Effect.runSync(Id.nextAgentId)

const failure = (reason: OrchestratorError.Reason) =>
  new OrchestratorError.OrchestratorError({ operation: "query", reason })

const exceeded = new Budget.Exceeded({ limit: "wall", allowed: 60_000, spent: 60_000 })
const budget = failure(new OrchestratorError.BudgetExceeded({ id, of: "agent", exceeded }))
const used = new TokenUsage.TokenUsage({ ...TokenUsage.zero, inputTokens: 5 })
const progress: Progress = {
  startedAt: 1000,
  now: 91_000,
  used,
  allowedMillis: 60_000,
  timeBudget: undefined
}

const sandboxFailed = (reason: SandboxError.Reason, meaning: OrchestratorError.Reason): QueryEnd => {
  const cause = Effect.runSync(Effect.flip(SandboxError.fail("exec", reason, undefined)))
  return { _tag: "SandboxFailed", cause, meaning: failure(meaning) }
}

const notReady = (status: AgentLifecycle.AgentStatus) => new OrchestratorError.AgentNotReady({ id, status })

const shown = (end: QueryEnd, more: Partial<Progress> = {}) => {
  const { failure: why, result } = queryOutcome(end, { ...progress, ...more })
  return [result?.outcome, result?.limit, result?.usage.wallMillis, why?.reason._tag]
}

const resultOf = (outcome: AgentEvent.Outcome, limit?: AgentEvent.Limit): QueryEnd => ({
  _tag: "Result",
  result: failedResult(outcome, "why", 3, used, limit)
})

describe("queryOutcome", () => {
  it("the result of a program is the outcome as it is", () => {
    const end = resultOf("error")
    assert(end._tag === "Result")
    assert.strictEqual(queryOutcome(end, progress).result, end.result)
  })

  it("a time limit takes as long as was allowed, however late it is found", () => {
    assert.deepStrictEqual(shown(resultOf("timeout", "wall")), ["timeout", "wall", 60_000, undefined])
    assert.deepStrictEqual(shown(resultOf("timeout", "idle"), { now: 11_000 }), [
      "timeout",
      "idle",
      10_000,
      undefined
    ])
  })

  it("a time limit that a budget set is the budget's, and the caller fails with it", () => {
    assert.deepStrictEqual(shown(resultOf("timeout", "wall"), { timeBudget: budget }), [
      "aborted",
      "budget",
      60_000,
      "BudgetExceeded"
    ])
  })

  it("a silent program is not the budget's doing", () => {
    assert.deepStrictEqual(shown(resultOf("timeout", "idle"), { timeBudget: budget }), [
      "timeout",
      "idle",
      60_000,
      undefined
    ])
  })

  it("a cancelled query is aborted, with what it had used", () => {
    assert.deepStrictEqual(shown({ _tag: "Cancelled" }), ["aborted", undefined, 90_000, undefined])
    assert.strictEqual(queryOutcome({ _tag: "Cancelled" }, progress).result?.usage.inputTokens, 5)
  })

  it("a budget that is reached aborts the query, and the caller fails with it", () => {
    assert.deepStrictEqual(shown({ _tag: "BudgetReached", failure: budget }), [
      "aborted",
      "budget",
      90_000,
      "BudgetExceeded"
    ])
  })

  it("a program that is not in the sandbox has crashed", () => {
    assert.deepStrictEqual(shown({ _tag: "ProgramMissing" }), ["crash", undefined, 90_000, undefined])
  })

  it("a sandbox that is gone is a crash; one whose agent was terminated aborts the query", () => {
    const gone = new SandboxError.Gone({})
    assert.deepStrictEqual(shown(sandboxFailed(gone, new OrchestratorError.AgentLost({ id }))), [
      "crash",
      undefined,
      90_000,
      "AgentLost"
    ])
    assert.deepStrictEqual(shown(sandboxFailed(gone, notReady("terminated"))), [
      "aborted",
      undefined,
      90_000,
      "AgentNotReady"
    ])
  })

  it("a sandbox that cannot be reached decides nothing: the query may still be running", () => {
    const unreachable = new SandboxError.Unreachable({ sent: true })
    assert.deepStrictEqual(shown(sandboxFailed(unreachable, notReady("active"))), [
      undefined,
      undefined,
      undefined,
      "AgentNotReady"
    ])
  })
})
