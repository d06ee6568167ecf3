import { assert, describe, it } from "@effect/vitest"
import { Id } from "@remote-agent/domain"
import { DateTime } from "effect"
import { figuresOf, rateWindow } from "../../src/pools/poolFigures.ts"

const now = Date.parse("2026-11-30T12:00:00Z")
const id = (index: number) => Id.AgentId.make(`agt_01arz3ndektsv4rrffq69g500${index}`)
const pool = Id.PoolName.make("filings")
const at = (millisAgo: number) => DateTime.makeUnsafe(now - millisAgo)

describe("Figures of a pool", () => {
  it("count its own agents and queries, and those that ended lately", () => {
    const figures = figuresOf("filings", {
      agents: [{ id: id(1), pool }, { id: id(2), pool }, { id: id(3) }],
      running: [{ agentId: id(1) }, { agentId: id(3) }],
      queued: [
        { agentId: id(1), createdAt: at(5000) },
        { agentId: id(1), createdAt: at(9000) },
        { agentId: id(3), createdAt: at(90_000) }
      ],
      ended: [
        { agentId: id(2), endedAt: at(1000), outcome: "ok" },
        { agentId: id(2), endedAt: at(1000), outcome: "crash" },
        { agentId: id(2), endedAt: at(1000), outcome: "aborted" },
        { agentId: id(2), endedAt: at(rateWindow + 1), outcome: "crash" },
        { agentId: id(3), endedAt: at(1000), outcome: "crash" }
      ],
      now
    })
    assert.deepStrictEqual(figures, {
      agents: 2,
      working: 1,
      waiting: 2,
      longestWait: 9000,
      rate: 0.3,
      ended: 3,
      failed: 1
    })
  })

  it("know no wait where nothing waits", () => {
    const figures = figuresOf("filings", { agents: [], running: [], queued: [], ended: [], now })
    assert.isUndefined(figures.longestWait)
  })
})
