import { assert } from "@effect/vitest"
import { Agent, Budget, Id, type AgentLifecycle, TokenUsage } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Duration, Effect, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type Case, newAgent, reasonOf } from "./stateStoreCases.ts"

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

/** One name is that of two agents, of which one is terminated. */
const names = ["a-0", "a-1", "a-2", "a-3", "a-4", "a-2"].map((name) => Agent.AgentName.make(name))

const many = Effect.forEach(statuses, (status, index) =>
  created({
    status,
    name: names[index] ?? Agent.AgentName.make("none"),
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
      assert.deepStrictEqual(yield* listed({ name: "a-2" }), at(2, 5))
      assert.deepStrictEqual(yield* listed({ labels: {} }), ids)
      assert.deepStrictEqual(yield* listed({ labels: { team: "b" } }), at(3, 4, 5))
      assert.deepStrictEqual(yield* listed({ labels: { team: "b", "x/y": `va"l'ue 1` } }), at(3, 5))
      assert.deepStrictEqual(yield* listed({ labels: { none: "b" } }), [])
      assert.deepStrictEqual(
        yield* listed({ status: "active", profile: "tiny", labels: { team: "a" }, name: "a-2" }),
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
    name: "finds the best match: an id, a name, a prefix of an id, and terminated agents last",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const found = (text: string) =>
        Effect.map(store.findAgents(text), (agents) => agents.map(({ id }) => id))
      const name = Agent.AgentName.make("daily")
      const past: Array<Id.AgentId> = []
      for (let round = 0; round < 12; round++) past.push((yield* created({ name, status: "terminated" })).id)
      assert.deepStrictEqual(yield* found(name), past.toReversed().slice(0, 10), "newest first, ten at most")
      const failed = yield* created({ name, status: "failed" })
      assert.deepStrictEqual(yield* found(name), [failed.id])
      const living = yield* created({ name, status: "active" })
      assert.deepStrictEqual(yield* found(name), [living.id])
      assert.deepStrictEqual(yield* found(past[0] ?? ""), [past[0]])
      // A name may look like an id, and like the beginning of one.
      const namesake = yield* created({ name: Agent.AgentName.make(living.id), status: "active" })
      assert.deepStrictEqual(yield* found(living.id), [living.id])
      const prefix = namesake.id.slice(0, -1)
      assert.deepStrictEqual(yield* found(prefix), [namesake.id])
      const short = yield* created({ name: Agent.AgentName.make(prefix), status: "paused" })
      assert.deepStrictEqual(yield* found(prefix), [short.id], "an exact name wins over a prefix")
      for (const text of ["", "a", "agt_", "agt_000", "dail", "%", "agt_%", "\u0000", "\ud83d", "DAILY"]) {
        assert.deepStrictEqual(yield* found(text), [], text)
      }
    })
  },
  {
    name: "finds living agents by a prefix however many terminated ones it fits",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      for (let round = 0; round < 12; round++) yield* created({ status: "terminated" })
      const [one, two] = [yield* created({ status: "active" }), yield* created({ status: "paused" })]
      const prefix = one.id.slice(0, 8)
      assert.isTrue(two.id.startsWith(prefix))
      assert.deepStrictEqual(
        (yield* store.findAgents(prefix)).map(({ id }) => id),
        [two.id, one.id]
      )
      assert.deepStrictEqual(yield* store.findAgents(prefix.slice(0, 7)), [], "three characters are too few")
    })
  },
  {
    name: "gives a name to one living agent only, and frees it when that is terminated, failed or lost",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const name = Agent.AgentName.make("daily")
      for (const end of ["terminated", "failed", "lost"] as const) {
        const holder = yield* created({ name })
        const second = new Agent.Agent({ ...(yield* newAgent()), name })
        const reason = yield* reasonOf(store.createAgent(second))
        assert(reason._tag === "NameTaken")
        assert.deepStrictEqual([reason.name, reason.id], [name, holder.id])
        assert.strictEqual((yield* reasonOf(store.getAgent(second.id)))._tag, "NotFound")
        assert.strictEqual((yield* reasonOf(store.createAgent(holder)))._tag, "AlreadyExists")
        yield* store.updateAgent(new Agent.Agent({ ...holder, status: end }))
      }
      yield* created({ name })
    })
  },
  {
    name: "refuses to rename an agent to a taken name, and frees the name that it had",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const [one, two] = [
        yield* created({ name: Agent.AgentName.make("one") }),
        yield* created({ name: Agent.AgentName.make("two"), status: "active" })
      ]
      const rename = (agent: Agent.Agent, name: Agent.AgentName) =>
        store.updateAgent(new Agent.Agent({ ...agent, name }))
      const reason = yield* reasonOf(rename(two, one.name))
      assert(reason._tag === "NameTaken")
      assert.strictEqual(reason.id, one.id)
      assert.deepStrictEqual(yield* store.getAgent(two.id), two)
      const renamed = yield* rename(two, Agent.AgentName.make("three"))
      const next = yield* created({ name: two.name })
      assert.strictEqual((yield* reasonOf(rename(renamed, next.name)))._tag, "NameTaken")
      assert.strictEqual((yield* rename(renamed, renamed.name)).name, renamed.name)
    })
  },
  {
    name: "refuses to launch a failed agent again whose name was taken meanwhile",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const failed = yield* created({ name: Agent.AgentName.make("daily"), status: "failed" })
      const holder = yield* created({ name: failed.name, status: "active" })
      const again = store.updateAgent(new Agent.Agent({ ...failed, status: "launching" }))
      assert.strictEqual((yield* reasonOf(again))._tag, "NameTaken")
      yield* store.updateAgent(new Agent.Agent({ ...holder, status: "terminated" }))
      assert.strictEqual((yield* again).status, "launching")
      assert.strictEqual((yield* reasonOf(created({ name: failed.name })))._tag, "NameTaken")
    })
  },
  {
    name: "imports an agent whose name is taken, which holds the name once it is free",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const holder = yield* created({ name: Agent.AgentName.make("daily"), status: "active" })
      const imported = new Agent.Agent({ ...(yield* newAgent("active")), name: holder.name })
      assert.deepStrictEqual([...(yield* store.restore([{ _tag: "Agent", agent: imported }]))], [imported.id])
      assert.deepStrictEqual([...(yield* store.restore([{ _tag: "Agent", agent: imported }]))], [])
      const paused = yield* store.updateAgent(new Agent.Agent({ ...imported, status: "paused" }))
      assert.strictEqual((yield* reasonOf(created({ name: holder.name })))._tag, "NameTaken")
      yield* store.updateAgent(new Agent.Agent({ ...holder, status: "terminated" }))
      yield* store.updateAgent(paused)
      const reason = yield* reasonOf(created({ name: holder.name }))
      assert(reason._tag === "NameTaken")
      assert.strictEqual(reason.id, imported.id)
    })
  },
  {
    name: "gives a name to one of many that ask for it at once",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const name = Agent.AgentName.make("daily")
      const agents = yield* Effect.replicateEffect(newAgent(), 10)
      const results = yield* Effect.forEach(
        agents,
        (agent) => Effect.result(store.createAgent(new Agent.Agent({ ...agent, name }))),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(results.filter(Result.isSuccess), 1)
      const renamed = yield* Effect.forEach(
        agents,
        (agent) => Effect.result(store.createAgent(new Agent.Agent({ ...agent, id: agent.id }))),
        { concurrency: "unbounded" }
      )
      const free = agents.filter((_, index) => Result.isSuccess(renamed[index] ?? Result.fail(undefined)))
      const other = Agent.AgentName.make("nightly")
      const moved = yield* Effect.forEach(
        free,
        (agent) => Effect.result(store.updateAgent(new Agent.Agent({ ...agent, name: other }))),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(moved.filter(Result.isSuccess), 1)
      assert.isTrue(moved.every((one) => Result.isSuccess(one) || one.failure.reason._tag === "NameTaken"))
    })
  }
]
