import { assert, describe, it } from "@effect/vitest"
import { Agent, AgentLifecycle, AgentLookup, Id } from "@remote-agent/domain"
import { Effect, Schema } from "effect"

const { isIdPrefix, select } = AgentLookup

interface Candidate {
  readonly id: Id.AgentId
  readonly name: Agent.AgentName
  readonly status: AgentLifecycle.AgentStatus
}

const idOf = (rest: string) => Id.AgentId.make(`agt_${rest.padEnd(26, "0")}`)

const agent = (rest: string, name: string, status: Candidate["status"] = "active"): Candidate => ({
  id: idOf(rest),
  name: Agent.AgentName.make(name),
  status
})

const Candidates = Schema.Array(
  Schema.Struct({
    rest: Schema.Literals(["aaaa", "aaab", "aaaab", "bbbb"]),
    name: Schema.Literals(["a", "daily", "agt_aaaa"]),
    status: AgentLifecycle.AgentStatus
  })
)

const Text = Schema.Literals(["a", "daily", "agt_", "agt_aaa", "agt_aaaa", "agt_b", idOf("aaaa"), "other"])

describe("AgentLookup", () => {
  it("prefers an exact id, then an exact name, then a prefix of an id", () => {
    const one = agent("aaaa1", "daily")
    const two = agent("aaaa2", "agt_aaaa")
    assert.deepStrictEqual(select(one.id, [agent("bbbb", one.id), one]), [one])
    assert.deepStrictEqual(select("agt_aaaa", [one, two]), [two])
    assert.deepStrictEqual(select("agt_aaaa1", [one, two]), [one])
    assert.strictEqual(select("agt_aaaa", [one, agent("aaaa3", "other")]).length, 2)
  })

  it("names no agent by fewer than four characters after agt_", () => {
    const agents = [agent("aaaa", "daily"), agent("bbbb", "other")]
    for (const text of ["a", "agt", "agt_", "agt_a", "agt_aaa"])
      assert.deepStrictEqual(select(text, agents), [])
    assert.isTrue(isIdPrefix("agt_aaaa"))
    assert.isFalse(isIdPrefix("agt_aaa"))
    assert.isFalse(isIdPrefix("AGT_AAAA"))
  })

  it("finds the living agent of a name that ten terminated agents had before", () => {
    const old = Array.from({ length: 10 }, (_, index) => agent(`dead${index}`, "daily", "terminated"))
    const living = agent("new", "daily")
    assert.deepStrictEqual(select("daily", [...old, living]), [living])
    assert.strictEqual(select("daily", old).length, 10)
  })

  it.effect.prop("selects agents that the text names, all of one rank", [Text, Candidates], ([text, all]) =>
    Effect.sync(() => {
      const agents = all.map(({ name, rest, status }) => agent(rest, name, status))
      const selected = select(text, agents)
      const rank = AgentLookup.rankBy(text)
      const best = Math.min(...agents.map((one) => rank(one) ?? Infinity))
      assert.deepStrictEqual(
        selected,
        agents.filter((one) => rank(one) === best)
      )
      for (const { id, name } of selected) {
        assert.isTrue(id === text || name === text || (text.length >= 8 && id.startsWith(text)))
      }
    })
  )

  it.effect.prop("never lets a terminated agent hide a living one", [Text, Candidates], ([text, all]) =>
    Effect.sync(() => {
      const agents = all.map(({ name, rest, status }) => agent(rest, name, status))
      const living = agents.filter(({ status }) => AgentLifecycle.mayHoldSandbox(status))
      const selected = select(text, living)
      if (selected.length > 0 && !agents.some(({ id }) => id === text)) {
        assert.deepStrictEqual(select(text, agents), selected)
      }
    })
  )
})
