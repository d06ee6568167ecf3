import { assert, describe, it } from "@effect/vitest"
import { Agent, Id, Query } from "@remote-agent/domain"
import { DateTime } from "effect"
import { choicesOf, type FleetFacts, type FleetFilter, listOf, rowsOf } from "../../src/agents/Fleet.ts"

const now = Date.parse("2026-11-30T12:00:00Z")

const agent = (index: number, fields: Partial<Agent.Agent> = {}) =>
  new Agent.Agent({
    id: Id.AgentId.make(`agt_01arz3ndektsv4rrffq69g5${String(index).padStart(3, "0")}`),
    name: Agent.AgentName.make(`agent-${index}`),
    profile: "sample",
    status: "active",
    labels: {},
    revision: 1,
    queryCount: 0,
    createdAt: DateTime.makeUnsafe(now - index * 1000),
    updatedAt: DateTime.makeUnsafe(now),
    ...fields
  })

const query = (of: Agent.Agent, index: number, fields: Partial<Query.Query> = {}) =>
  new Query.Query({
    id: Id.QueryId.make(`qry_01arz3ndektsv4rrffq69g5${String(index).padStart(3, "0")}`),
    agentId: of.id,
    text: "Tesla revenue 2024",
    status: "running",
    createdAt: DateTime.makeUnsafe(now),
    ...fields
  })

const facts = (fields: Partial<FleetFacts>): FleetFacts => ({
  agents: [],
  running: [],
  queued: [],
  ended: [],
  sandboxes: new Map(),
  progress: new Map(),
  costs: new Map(),
  now,
  ...fields
})

const filter = (fields: Partial<FleetFilter> = {}): FleetFilter => ({
  states: new Set(),
  profile: "",
  label: "",
  search: "",
  ...fields
})

const namesOf = (rows: ReadonlyArray<{ readonly agent: Agent.Agent }>) => rows.map((row) => row.agent.name)

describe("The fleet", () => {
  it("joins agents with their queries, their cost and what was seen of them", () => {
    const [a, b] = [agent(1), agent(2)]
    const running = query(a, 1)
    const rows = rowsOf(
      facts({
        agents: [a, b],
        running: [running],
        queued: [query(b, 2, { status: "queued" }), query(b, 3, { status: "queued" })],
        sandboxes: new Map([[b.id, "gone"]]),
        progress: new Map([[running.id, { steps: 3, step: "Uses read", heardAt: now }]]),
        costs: new Map([[a.id, 0.5]])
      })
    )
    assert.deepStrictEqual(
      rows.map(({ costToday, progress, state, waiting }) => [state, waiting, progress?.steps, costToday]),
      [
        ["working", 0, 3, 0.5],
        ["lost", 2, undefined, undefined]
      ]
    )
  })

  it("judges an agent by its newest ended query", () => {
    const a = agent(1)
    const ended = [
      query(a, 2, { status: "ended", outcome: "ok" }),
      query(a, 1, { status: "ended", outcome: "crash" })
    ]
    assert.strictEqual(rowsOf(facts({ agents: [a], ended }))[0]?.state, "idle")
    assert.strictEqual(rowsOf(facts({ agents: [a], ended: ended.toReversed() }))[0]?.state, "attention")
  })

  it("shows the most urgent first, and terminated agents only when they are asked for", () => {
    const rows = rowsOf(
      facts({
        agents: [
          agent(1),
          agent(2, { status: "paused" }),
          agent(3, { status: "lost" }),
          agent(4, { status: "failed" }),
          agent(5, { status: "terminated" })
        ]
      })
    )
    assert.deepStrictEqual(namesOf(listOf(rows, filter()).rows), ["agent-4", "agent-3", "agent-1", "agent-2"])
    assert.deepStrictEqual(namesOf(listOf(rows, filter({ states: new Set(["ended"]) })).rows), ["agent-5"])
    assert.strictEqual(listOf(rows, filter({ states: new Set(["idle"]) })).counts.get("lost"), 1)
  })

  it("filters by profile, label and every word of a search", () => {
    const rows = rowsOf(
      facts({
        agents: [
          agent(1, { labels: { team: "research" } }),
          agent(2, { labels: { team: "desk" }, profile: "codex" })
        ],
        running: [query(agent(1), 1)]
      })
    )
    const names = (fields: Partial<FleetFilter>) => namesOf(listOf(rows, filter(fields)).rows)
    assert.deepStrictEqual(names({ profile: "codex" }), ["agent-2"])
    assert.deepStrictEqual(names({ label: "team=research" }), ["agent-1"])
    assert.deepStrictEqual(names({ search: "RESEARCH tesla" }), ["agent-1"])
    assert.deepStrictEqual(names({ search: "desk tesla" }), [])
    assert.deepStrictEqual(choicesOf(rows), {
      profiles: ["codex", "sample"],
      labels: ["team=desk", "team=research"]
    })
  })
})
