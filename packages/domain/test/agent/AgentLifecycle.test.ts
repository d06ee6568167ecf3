import { assert, describe, it } from "@effect/vitest"
import { AgentLifecycle } from "@remote-agent/domain"
import { Effect, Result, Schema } from "effect"

const { AgentStatus, LifecycleEvent, canMove, mayHoldSandbox, transition } = AgentLifecycle

describe("AgentLifecycle.transition", () => {
  it("follows the usual lifecycle of an agent", () => {
    const life = ["launched", "paused", "resumed", "terminated"] as const
    let status: AgentLifecycle.AgentStatus = "launching"
    for (const event of life) status = Result.getOrThrow(transition(status, event))
    assert.strictEqual(status, "terminated")
  })

  it.effect.prop("terminates an agent in any status", [AgentStatus], ([status]) =>
    Effect.sync(() => {
      assert.deepStrictEqual(transition(status, "terminated"), Result.succeed("terminated" as const))
    })
  )

  it.effect.prop("never leaves terminated", [LifecycleEvent], ([event]) =>
    Effect.sync(() => {
      const next = transition("terminated", event)
      assert.isTrue(Result.isFailure(next) || next.success === "terminated")
    })
  )

  it.effect.prop("agrees with canMove", [AgentStatus, LifecycleEvent], ([status, event]) =>
    Effect.sync(() => {
      const next = transition(status, event)
      if (Result.isSuccess(next)) assert.isTrue(canMove(status, next.success))
      else assert.include(next.failure.message, status)
    })
  )

  it.effect.prop("reaches active only from launching or paused", [Schema.Array(LifecycleEvent)], ([events]) =>
    Effect.sync(() => {
      let status: AgentLifecycle.AgentStatus = "launching"
      for (const event of events) {
        const next = transition(status, event)
        if (Result.isFailure(next)) continue
        if (next.success === "active") assert.include(["launching", "paused"], status)
        status = next.success
      }
    })
  )

  it("holds no sandbox in a final status", () => {
    assert.deepStrictEqual(AgentStatus.literals.filter(mayHoldSandbox), ["launching", "active", "paused"])
  })
})
