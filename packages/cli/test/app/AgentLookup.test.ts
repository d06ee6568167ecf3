import { assert, describe, it } from "@effect/vitest"
import { Agent, Id } from "@remote-agent/domain"
import { DateTime } from "effect"
import { matching } from "../../src/app/AgentLookup.ts"

const at = DateTime.makeUnsafe("2026-01-31T12:00:00Z")

const agent = (id: string, name: string, status: Agent.Agent["status"] = "active") =>
  new Agent.Agent({
    id: Id.AgentId.make(`agt_${id.padEnd(26, "0")}`),
    name: Agent.AgentName.make(name),
    profile: "sample",
    status,
    revision: 0,
    queryCount: 0,
    createdAt: at,
    updatedAt: at
  })

const names = (text: string, all: ReadonlyArray<Agent.Agent>) => matching(text, all).map(({ name }) => name)

describe("the agent that a text names", () => {
  const ada = agent("01k000aaaa", "ada")
  const bob = agent("01k000bbbb", "bob")

  it("is found by its id, its name, and the beginning of its id", () => {
    assert.deepStrictEqual(names(ada.id, [ada, bob]), ["ada"])
    assert.deepStrictEqual(names("bob", [ada, bob]), ["bob"])
    assert.deepStrictEqual(names("agt_01k000a", [ada, bob]), ["ada"])
    assert.deepStrictEqual(names("agt_01k0", [ada, bob]), ["ada", "bob"])
  })

  it("needs four characters of the id after agt_", () => {
    for (const text of ["a", "agt_", "agt_0", "agt_01k"]) assert.deepStrictEqual(names(text, [ada]), [], text)
    assert.deepStrictEqual(names("agt_01k0", [ada]), ["ada"])
  })

  it("is the one of exactly that name before one whose id begins so", () => {
    const odd = agent("01k000cccc", "agt_01k0")
    assert.deepStrictEqual(matching("agt_01k0", [ada, odd]), [odd])
  })

  it("is one that is not terminated, however many of its name are", () => {
    const old = Array.from({ length: 12 }, (_, index) => agent(`01j0${index}`, "daily", "terminated"))
    const now = agent("01k000dddd", "daily")
    assert.deepStrictEqual(matching("daily", [...old, now]), [now])
    assert.lengthOf(matching("daily", old), 12)
  })
})
