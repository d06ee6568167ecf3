import { assert, describe, it } from "@effect/vitest"
import { Id } from "@remote-agent/domain"
import { byLabel, daysOf, type Group, ranked, tokensOf, totalOf } from "../../src/usage/usageFigures.ts"

const group = (key: string, tokens: number, costUsd?: number): Group => ({
  key,
  queries: 1,
  usage: {
    inputTokens: tokens,
    outputTokens: 0,
    wallMillis: 10,
    ...(costUsd === undefined ? {} : { costUsd })
  }
})

const id = (index: number) => Id.AgentId.make(`agt_01arz3ndektsv4rrffq69g500${index}`)

describe("Figures of usage", () => {
  it("have every day, also those without a query", () => {
    const days = daysOf([group("2026-11-29", 5)], Date.parse("2026-11-30T23:59:00Z"), 3)
    assert.deepStrictEqual(
      days.map((day) => [day.key, tokensOf(day)]),
      [
        ["2026-11-28", 0],
        ["2026-11-29", 5],
        ["2026-11-30", 0]
      ]
    )
  })

  it("leave a cost unknown that nobody reported, and add it up from those that did", () => {
    assert.isUndefined(totalOf([group("a", 1), group("b", 1)]).usage.costUsd)
    assert.strictEqual(totalOf([group("a", 1), group("b", 1, 0.5)]).usage.costUsd, 0.5)
  })

  it("count an agent for each of its labels", () => {
    const groups = byLabel(
      [group(id(1), 10, 1), group(id(2), 5, 2)],
      [
        { id: id(1), labels: { team: "a", urgent: "" } },
        { id: id(2), labels: { team: "a" } },
        { id: id(3), labels: { team: "b" } }
      ]
    )
    assert.deepStrictEqual(
      groups.map((one) => [one.key, tokensOf(one), one.usage.costUsd]),
      [
        ["team=a", 15, 3],
        ["urgent", 10, 1]
      ]
    )
  })

  it("are ranked by cost, and by tokens where there is none", () => {
    const keys = ranked([group("a", 1), group("b", 9), group("c", 1, 0.1)]).map(({ key }) => key)
    assert.deepStrictEqual(keys, ["c", "b", "a"])
  })
})
