import { assert, describe, it } from "@effect/vitest"
import { Id } from "@remote-agent/domain"
import { isWork, planOf } from "../../src/reaper/plan.ts"

describe("The plan of the reaper", () => {
  it("has the entries that change something first, each with what it is about", () => {
    const sandboxId = Id.SandboxId.make("sbx1")
    const agentId = Id.AgentId.make("agt_01arz3ndektsv4rrffq69g5001")
    const plan = planOf({
      entries: [
        {
          decision: { action: "leave-alone", reason: "Agent uses it.", sandboxId, agentId },
          outcome: "left"
        },
        {
          decision: { action: "mark-lost", reason: "It is gone.", agentId },
          outcome: "failed",
          error: { message: "The store did not answer." }
        }
      ]
    })
    assert.deepStrictEqual(
      plan.map((entry) => [entry.action, entry.subject, entry.error, isWork(entry)]),
      [
        ["mark-lost", agentId, "The store did not answer.", true],
        ["leave-alone", sandboxId, undefined, false]
      ]
    )
  })
})
