import { assert, describe, it } from "@effect/vitest"
import type { AgentLifecycle } from "@remote-agent/domain"
import { DateTime, Duration } from "effect"
import { type Facts, type SandboxState, stateOf } from "../../src/agents/AgentState.ts"

const now = Date.parse("2026-11-30T12:00:00Z")
const at = (secondsAgo: number) => DateTime.makeUnsafe(now - secondsAgo * 1000)

const facts = (status: AgentLifecycle.AgentStatus, rest: Partial<Facts> = {}): Facts => ({
  agent: { status },
  waiting: 0,
  now,
  ...rest
})

const running = { createdAt: at(20), startedAt: at(10) }

describe("The state of an agent", () => {
  it("is working only while the store has a running query, and its sandbox is not known to be otherwise", () => {
    assert.strictEqual(stateOf(facts("active", { running })).state, "working")
    assert.strictEqual(stateOf(facts("active", { running, sandbox: "running" })).state, "working")
    const others: Readonly<Record<Exclude<SandboxState, "running">, string>> = {
      gone: "lost",
      none: "lost",
      unknown: "unreachable",
      paused: "asleep"
    }
    for (const [sandbox, expected] of Object.entries(others)) {
      assert.strictEqual(
        stateOf(facts("active", { running, sandbox: sandbox as SandboxState })).state,
        expected
      )
    }
    for (const status of ["launching", "paused", "failed", "lost", "terminated"] as const) {
      assert.notStrictEqual(stateOf(facts(status, { running })).state, "working", status)
    }
  })

  it("is never lost because its provider does not answer", () => {
    for (const status of ["active", "paused"] as const) {
      assert.strictEqual(stateOf(facts(status, { sandbox: "unknown" })).state, "unreachable")
    }
    assert.strictEqual(stateOf(facts("lost", { sandbox: "unknown" })).state, "lost")
  })

  it("needs attention when its program stopped working or its last query failed, and says why", () => {
    const broken = stateOf(facts("failed"))
    assert.deepStrictEqual(broken, { state: "attention", why: "Its program stopped working" })
    const crashed = stateOf(facts("active", { last: { outcome: "crash", error: "exit code 9" } }))
    assert.deepStrictEqual(crashed, { state: "attention", why: "Its last query crashed: exit code 9" })
    for (const outcome of ["error", "timeout", "denied", "max_iterations", "empty"] as const) {
      assert.strictEqual(stateOf(facts("active", { last: { outcome } })).state, "attention", outcome)
    }
  })

  it("is idle after a query that was answered or cancelled, and after a failure while it works again", () => {
    assert.strictEqual(stateOf(facts("active", { last: { outcome: "ok" } })).state, "idle")
    assert.strictEqual(stateOf(facts("active", { last: { outcome: "aborted" } })).state, "idle")
    assert.strictEqual(stateOf(facts("active", { last: { outcome: "crash" }, running })).state, "working")
    assert.include(stateOf(facts("active", { waiting: 2 })).why, "2 queries wait")
  })

  it("needs attention when its query was silent for longer than its idle timeout", () => {
    const timeouts = { idle: Duration.seconds(60) }
    const silent = (seconds: number) =>
      stateOf(
        facts("active", {
          running: { ...running, timeouts, startedAt: at(3600) },
          heardAt: now - seconds * 1000
        })
      )
    assert.strictEqual(silent(60).state, "working")
    assert.strictEqual(silent(95).state, "attention")
    // A log that was not read says nothing.
    assert.strictEqual(
      stateOf(facts("active", { running: { ...running, timeouts, startedAt: at(3600) } })).state,
      "working"
    )
    // A log that is older than the query's process does not either.
    assert.strictEqual(
      stateOf(facts("active", { running: { ...running, timeouts, startedAt: at(5) }, heardAt: 0 })).state,
      "working"
    )
  })

  it("is terminated from the request on, whatever its sandbox is", () => {
    const agent = { status: "active" as const, endRequestedAt: at(1) }
    assert.strictEqual(stateOf({ ...facts("active", { running }), agent }).state, "ended")
    assert.strictEqual(stateOf(facts("terminated", { sandbox: "gone" })).state, "ended")
  })

  it("shows the detail of the record where there is one", () => {
    const agent = { status: "launching" as const, detail: "clone" }
    assert.deepStrictEqual(stateOf({ ...facts("launching"), agent }), { state: "starting", why: "clone" })
  })
})
