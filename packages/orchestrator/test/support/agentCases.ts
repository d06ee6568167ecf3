import { assert } from "@effect/vitest"
import { Agent, Budget, Id, type AgentLifecycle, TokenUsage } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Duration, Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type Case, newAgent } from "./stateStoreCases.ts"

const listed = (filter?: StateStore.AgentFilter) =>
  Effect.gen(function* () {
    const store = yield* StateStore.StateStore
    return (yield* Stream.runCollect(store.listAgents(filter))).map(({ id }) => id)
  })

type Changes = Partial<ConstructorParameters<typeof Agent.Agent>[0]>

const created = Effect.fnUntraced(function* (changes: Changes = {}) {
  const agent = new Agent.Agent({ ...(yield* newAgent()), ...changes })
  yield* (yield* StateStore.StateStore).createAgent(agent)
  yield* TestClock.adjust("1 second")
  return agent
})

const pool = Id.PoolName.make("workers")

const statuses: ReadonlyArray<AgentLifecycle.AgentStatus> = [
  "active",
  "paused",
  "active",
  "paused",
  "active",
  "terminated"
]

const many = Effect.forEach(statuses, (status, index) =>
  created({
    status,
    name: Agent.AgentName.make(`agent-${index % 3}`),
    profile: index < 4 ? "tiny" : "o'ther",
    labels: index === 0 ? {} : { team: index < 3 ? "a" : "b", "x/y": `va"l'ue ${index % 2}` },
    ...(index < 2 ? { pool } : {})
  })
)

/** What every store does to find agents. */
export const cases: ReadonlyArray<Case> = [
  {
    name: "gives back an agent with everything that may be said of it",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const agent = yield* created({
        detail: "\u0000",
        labels: { "a.b/c": 'Zoë, “’"\\ %_' },
        persistent: true,
        pool,
        profile: "\u0000 \ud83d",
        ttl: Duration.minutes(7),
        allowInternetAccess: false,
        repository: new Agent.Repository({ url: "https://example.com/r.git", ref: "main", commit: "abc" }),
        budget: new Budget.Budget({ costUsd: 0.1, tokens: 5, wall: Duration.hours(1), sandboxSeconds: 60 }),
        usage: new TokenUsage.TokenUsage({ inputTokens: 1, outputTokens: 2, wallMillis: 0.25, costUsd: 0.1 }),
        sessions: { s1: "their-id", ["__proto__"]: "x", "": "\ud83d" },
        sessionTotals: { "their-id": new TokenUsage.SessionTotal({ inputTokens: 7, outputTokens: 0 }) }
      })
      assert.deepStrictEqual(yield* store.getAgent(agent.id), agent)
      assert.deepStrictEqual(yield* listed({ profile: agent.profile }), [agent.id])
    })
  },
  {
    name: "lists the agents of a status, a profile, a pool, a name or labels, and of all together",
    run: Effect.gen(function* () {
      const ids = (yield* many).map(({ id }) => id)
      const at = (...indexes: ReadonlyArray<number>) => indexes.map((index) => ids[index])
      assert.deepStrictEqual(yield* listed({}), ids)
      assert.deepStrictEqual(yield* listed({ status: "paused" }), at(1, 3))
      assert.deepStrictEqual(yield* listed({ status: ["paused", "terminated"] }), at(1, 3, 5))
      assert.deepStrictEqual(yield* listed({ status: [] }), [])
      assert.deepStrictEqual(yield* listed({ profile: "o'ther" }), at(4, 5))
      assert.deepStrictEqual(yield* listed({ pool }), at(0, 1))
      assert.deepStrictEqual(yield* listed({ name: "agent-1" }), at(1, 4))
      assert.deepStrictEqual(yield* listed({ labels: {} }), ids)
      assert.deepStrictEqual(yield* listed({ labels: { team: "b" } }), at(3, 4, 5))
      assert.deepStrictEqual(yield* listed({ labels: { team: "b", "x/y": `va"l'ue 1` } }), at(3, 5))
      assert.deepStrictEqual(yield* listed({ labels: { none: "b" } }), [])
      assert.deepStrictEqual(
        yield* listed({ status: "active", profile: "tiny", labels: { team: "a" }, name: "agent-2" }),
        at(2)
      )
      for (const strange of ["", "\u0000", "\ud83d", "%", '"'.repeat(3)]) {
        assert.deepStrictEqual(yield* listed({ name: strange }), [])
        assert.deepStrictEqual(yield* listed({ pool: strange }), [])
        assert.deepStrictEqual(yield* listed({ profile: strange }), [])
        assert.deepStrictEqual(yield* listed({ labels: { team: strange } }), [])
        assert.deepStrictEqual(yield* listed({ labels: { [strange]: "a" } }), [])
      }
    })
  },
  {
    name: "finds an agent by what it was changed to, and no longer by what it was",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const agent = yield* created({ labels: { a: "1" }, pool, status: "active" })
      const { pool: _, ...rest } = agent
      yield* store.updateAgent(
        new Agent.Agent({
          ...rest,
          status: "paused",
          labels: { b: "2" },
          name: Agent.AgentName.make("other"),
          profile: "p"
        })
      )
      for (const filter of [
        { labels: { a: "1" } },
        { pool },
        { status: "active" },
        { name: agent.name }
      ] as const) {
        assert.deepStrictEqual(yield* listed(filter), [])
      }
      assert.deepStrictEqual(
        yield* listed({ labels: { b: "2" }, status: "paused", name: "other", profile: "p" }),
        [agent.id]
      )
    })
  },
  {
    name: "gives agents page by page, and says where the next begins",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const ids = (yield* many).map(({ id }) => id)
      const first = yield* store.pageAgents({ limit: 4 })
      assert.deepStrictEqual([first.agents.map(({ id }) => id), first.next], [ids.slice(0, 4), ids[3]])
      const second = yield* store.pageAgents({ limit: 4, after: first.next })
      assert.deepStrictEqual([second.agents.map(({ id }) => id), second.next], [ids.slice(4), undefined])
      const whole = yield* store.pageAgents({ limit: 6 })
      assert.deepStrictEqual([whole.agents.length, whole.next], [6, undefined])
      const paused = yield* store.pageAgents({ limit: 1, filter: { status: "paused" } })
      assert.deepStrictEqual([paused.agents.map(({ id }) => id), paused.next], [[ids[1]], ids[1]])
    })
  },
  {
    name: "finds an agent by its id alone, and several by the beginning of it or by their name, ten at most",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const found = (text: string) =>
        Effect.map(store.findAgents(text), (agents) => agents.map(({ id }) => id))
      const ids: Array<Id.AgentId> = []
      for (let index = 0; index < 12; index++) {
        ids.push((yield* created({ name: Agent.AgentName.make(index < 2 ? "pair" : "crowd") })).id)
      }
      const last = ids[11] ?? ""
      // Its name is the id of another.
      const namesake = yield* created({ name: Agent.AgentName.make(last) })
      assert.deepStrictEqual(yield* found(last), [last])
      assert.deepStrictEqual(yield* found("pair"), ids.slice(0, 2))
      assert.deepStrictEqual(yield* found("crowd"), ids.slice(2))
      assert.deepStrictEqual(yield* found("agt_"), ids.slice(0, 10))
      assert.deepStrictEqual(yield* found(namesake.id.slice(0, -1)), [namesake.id])
      for (const text of ["", "crow", "%", "agt_%", "_", "\u0000", "\ud83d", "CROWD", "x".repeat(300)]) {
        assert.deepStrictEqual(yield* found(text), [], text)
      }
    })
  }
]
