import { assert, vi } from "@effect/vitest"
import {
  Agent,
  type AgentEvent,
  Id,
  AgentLifecycle,
  Query,
  type StateStoreError,
  TokenUsage
} from "@remote-agent/domain"
import type { Deliveries } from "@remote-agent/github"
import {
  type AccessTokens,
  type LaunchIntents,
  type Leases,
  type RequestKeys,
  type RunStore,
  type ScheduleStore,
  type SharedLimits,
  type SnapshotIndex,
  StateStore
} from "@remote-agent/orchestrator"
import { Context, DateTime, type Duration, Effect, Layer, References, Result, Stream } from "effect"
import { TestClock } from "effect/testing"

// A busy machine is slow; nothing here depends on how long it takes.
vi.setConfig({ testTimeout: 120_000 })

/** How time goes by, on the clock that the leases of a store go by. */
export class Passage extends Context.Service<
  Passage,
  { readonly pass: (time: Duration.Input) => Effect.Effect<void> }
>()("test/Passage") {}

/** For stores that go by the clock of their process. */
export const layerTestClock = Layer.succeed(Passage, { pass: (time) => TestClock.adjust(time) })

/** Something that every state store does, and the proof. */
export interface Case {
  readonly name: string
  readonly run: Effect.Effect<
    void,
    StateStoreError.StateStoreError,
    | StateStore.StateStore
    | RunStore.RunStore
    | ScheduleStore.ScheduleStore
    | SharedLimits.SharedLimits
    | Leases.Leases
    | LaunchIntents.LaunchIntents
    | Deliveries.Deliveries
    | SnapshotIndex.SnapshotIndex
    | AccessTokens.AccessTokens
    | RequestKeys.RequestKeys
    | Passage
  >
}

/** An agent that no store knows. */
export const newAgent = Effect.fnUntraced(function* (status: AgentLifecycle.AgentStatus = "launching") {
  const now = yield* DateTime.now
  const id = yield* Id.nextAgentId
  return new Agent.Agent({
    id,
    name: Agent.AgentName.make(`agent-${id.slice(4)}`),
    profile: "tiny",
    status,
    revision: 0,
    queryCount: 0,
    createdAt: now,
    updatedAt: now
  })
})

/** A query that no store knows. */
export const newQuery = Effect.fnUntraced(function* (agentId: Id.AgentId) {
  const createdAt = yield* DateTime.now
  return new Query.Query({
    id: yield* Id.nextQueryId,
    agentId,
    text: "why?",
    session: "s1",
    status: "queued",
    createdAt
  })
})

/** An agent that the store knows. */
export const createdAgent = Effect.fnUntraced(function* (status?: AgentLifecycle.AgentStatus) {
  const agent = yield* newAgent(status)
  yield* (yield* StateStore.StateStore).createAgent(agent)
  return agent
})

/** A query that the store knows, of an agent that it knows. */
export const createdQuery = Effect.gen(function* () {
  const query = yield* newQuery((yield* createdAgent()).id)
  yield* (yield* StateStore.StateStore).createQuery(query)
  return query
})

/** An event of that text. */
export const thinking = (text: string): AgentEvent.AgentEvent => ({ type: "thinking", text })

/** The end of a query. */
export const result = {
  type: "result",
  outcome: "denied",
  answer: "",
  error: "not allowed",
  iterations: 3,
  usage: new TokenUsage.TokenUsage({ inputTokens: 5, outputTokens: 7, wallMillis: 11, costUsd: 0.25 })
} satisfies AgentEvent.ResultEvent

const failureOf = <A, R>(effect: Effect.Effect<A, StateStoreError.StateStoreError, R>) =>
  Effect.orDie(Effect.flip(effect))

/** Why it fails, which it must. */
export const reasonOf = <A, R>(effect: Effect.Effect<A, StateStoreError.StateStoreError, R>) =>
  Effect.map(failureOf(effect), ({ reason }) => reason)

const idOf = (reason: StateStoreError.Reason) => ("id" in reason ? reason.id : undefined)

/** Runs steps of several fibers in between each other, wherever a store lets them. */
const finely = Effect.provideService(References.MaxOpsBeforeYield, 3)

/** What every state store does. */
export const cases: ReadonlyArray<Case> = [
  {
    name: "gives back an agent as it was created",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const base = yield* newAgent("active")
      const agent = new Agent.Agent({
        ...base,
        detail: "Zoë said “no”\n",
        lastQueryAt: base.createdAt,
        binding: new Agent.Binding({
          sandboxId: Id.SandboxId.make("sb-1"),
          provider: "memory",
          home: "/home/user"
        })
      })
      yield* store.createAgent(agent)
      assert.deepStrictEqual(yield* store.getAgent(agent.id), agent)
    })
  },
  {
    name: "refuses a second agent of the same id and keeps the first",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const agent = yield* createdAgent()
      const reason = yield* reasonOf(store.createAgent(new Agent.Agent({ ...agent, profile: "other" })))
      assert.strictEqual(reason._tag, "AlreadyExists")
      assert.strictEqual(idOf(reason), agent.id)
      assert.strictEqual((yield* store.getAgent(agent.id)).profile, "tiny")
    })
  },
  {
    name: "says which agent or query there is none of",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const agent = yield* newAgent()
      const query = yield* newQuery(agent.id)
      const reasons = [
        yield* reasonOf(store.getAgent(agent.id)),
        yield* reasonOf(store.updateAgent(agent)),
        yield* reasonOf(store.getQuery(query.id)),
        yield* reasonOf(store.appendEvents(query.id, [thinking("hm")])),
        yield* reasonOf(Stream.runDrain(store.events(query.id, 0)))
      ]
      assert.deepStrictEqual(
        reasons.map((reason) => `${reason._tag} ${idOf(reason)}`),
        [agent.id, agent.id, query.id, query.id, query.id].map((id) => `NotFound ${id}`)
      )
    })
  },
  {
    name: "writes what was changed with the next revision and the time of the write",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const agent = yield* createdAgent()
      yield* TestClock.adjust("3 seconds")
      const written = yield* store.updateAgent(new Agent.Agent({ ...agent, status: "active", queryCount: 4 }))
      assert.deepStrictEqual(yield* store.getAgent(agent.id), written)
      assert.deepStrictEqual(
        written,
        new Agent.Agent({
          ...agent,
          status: "active",
          queryCount: 4,
          revision: 1,
          updatedAt: DateTime.add(agent.createdAt, { seconds: 3 })
        })
      )
    })
  },
  {
    name: "refuses a write that was decided on an older revision",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const agent = yield* createdAgent()
      yield* store.updateAgent(new Agent.Agent({ ...agent, queryCount: 1 }))
      const error = yield* failureOf(store.updateAgent(new Agent.Agent({ ...agent, queryCount: 2 })))
      assert.strictEqual(error.reason._tag, "RevisionConflict")
      assert.isTrue(error.isRetryable)
      assert.strictEqual((yield* store.getAgent(agent.id)).queryCount, 1)
    })
  },
  {
    name: "lets one of many that write the same revision at once win",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const agent = yield* createdAgent()
      const results = yield* Effect.forEach(
        Array.from({ length: 20 }).keys(),
        (index) =>
          finely(Effect.result(store.updateAgent(new Agent.Agent({ ...agent, queryCount: index + 1 })))),
        { concurrency: "unbounded" }
      )
      const [won, ...others] = results.filter(Result.isSuccess)
      assert.lengthOf(others, 0)
      const now = yield* store.getAgent(agent.id)
      assert.strictEqual(now.revision, 1)
      assert.strictEqual(won?.success.queryCount, now.queryCount)
    })
  },
  {
    name: "refuses a status that the lifecycle does not lead to",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const agent = yield* createdAgent("terminated")
      const reason = yield* reasonOf(store.updateAgent(new Agent.Agent({ ...agent, status: "active" })))
      assert.strictEqual(reason._tag, "IllegalMove")
      assert.deepStrictEqual(yield* store.getAgent(agent.id), agent)
    })
  },
  {
    name: "allows every move of the lifecycle and no other",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { literals } = AgentLifecycle.AgentStatus
      for (const from of literals) {
        for (const status of literals) {
          const agent = yield* createdAgent(from)
          const written = yield* Effect.result(store.updateAgent(new Agent.Agent({ ...agent, status })))
          assert.strictEqual(
            Result.isSuccess(written),
            AgentLifecycle.canMove(from, status),
            `${from} ${status}`
          )
        }
      }
    })
  },
  {
    name: "lists agents oldest first, whatever order they were written in",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const agents: Array<Agent.Agent> = []
      for (let index = 0; index < 5; index++) {
        agents.push(yield* newAgent())
        yield* TestClock.adjust("1 second")
      }
      for (const index of [3, 0, 4, 1, 2]) yield* store.createAgent(agents[index] ?? (yield* newAgent()))
      const listed = yield* Stream.runCollect(store.listAgents())
      assert.deepStrictEqual(
        listed.map(({ id }) => id),
        agents.map(({ id }) => id)
      )
    })
  },
  {
    name: "lists every agent once when there are as many as fill pages, and one more or less",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const ids: Array<string> = []
      for (const count of [199, 200, 201, 400]) {
        while (ids.length < count) {
          ids.push((yield* createdAgent()).id)
          yield* TestClock.adjust("1 second")
        }
        const listed = yield* Stream.runCollect(store.listAgents())
        assert.deepStrictEqual(
          listed.map(({ id }) => id),
          ids
        )
      }
    })
  },
  {
    name: "gives back a query as it was created, and no second one of its id",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const query = yield* createdQuery
      assert.deepStrictEqual(yield* store.getQuery(query.id), query)
      assert.strictEqual((yield* reasonOf(store.createQuery(query)))._tag, "AlreadyExists")
    })
  },
  {
    name: "numbers events from 0 without a gap, append after append",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { id } = yield* createdQuery
      const first = yield* store.appendEvents(id, [thinking("a"), thinking("b")])
      const none = yield* store.appendEvents(id, [])
      yield* TestClock.adjust("1 second")
      const second = yield* store.appendEvents(id, [thinking("c"), result])
      assert.lengthOf(none, 0)
      const records = [...first, ...second]
      assert.deepStrictEqual(
        records.map(({ seq }) => seq),
        [0, 1, 2, 3]
      )
      assert.deepStrictEqual(yield* Stream.runCollect(store.events(id, 0)), records)
      assert.deepStrictEqual(
        records.map(({ event }) => event),
        [thinking("a"), thinking("b"), thinking("c"), result]
      )
    })
  },
  {
    name: "keeps the numbers gapless and unique when many append at once",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { id } = yield* createdQuery
      const written = yield* Effect.forEach(
        Array.from({ length: 30 }).keys(),
        (index) => finely(store.appendEvents(id, [thinking(`${index} a`), thinking(`${index} b`)])),
        { concurrency: "unbounded" }
      )
      const log = yield* Stream.runCollect(store.events(id, 0))
      assert.deepStrictEqual(
        log.map(({ seq }) => seq),
        Array.from({ length: 60 }, (_, seq) => seq)
      )
      const bySeq = written.flat().toSorted((a, b) => a.seq - b.seq)
      assert.deepStrictEqual(log, bySeq)
    })
  },
  {
    name: "keeps any text as it was said",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { id } = yield* createdQuery
      const texts = [
        "",
        "\u0000 in the middle \u0000",
        "half a pair \ud83d",
        "'; DROP TABLE --",
        "\u{1F680} \u2028"
      ]
      yield* store.appendEvents(id, texts.map(thinking))
      const log = yield* Stream.runCollect(store.events(id, 0))
      assert.deepStrictEqual(
        log.map(({ event }) => event),
        texts.map(thinking)
      )
    })
  },
  {
    name: "keeps a log of thousands in order, added at once and read from anywhere",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { id } = yield* createdQuery
      yield* store.appendEvents(id, [thinking("first")])
      yield* store.appendEvents(
        id,
        Array.from({ length: 2400 }, (_, index) => thinking(`${index}`))
      )
      for (const from of [0, 1, 199, 200, 201, 2400, 2401]) {
        const log = yield* Stream.runCollect(store.events(id, from))
        assert.deepStrictEqual(
          log.map(({ seq }) => seq),
          Array.from({ length: 2401 - from }, (_, index) => from + index)
        )
      }
    })
  },
  {
    name: "gives the events of a query from a number on, and none beyond the last",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { id } = yield* createdQuery
      yield* store.appendEvents(id, ["a", "b", "c"].map(thinking))
      const from = (seq: number) =>
        Effect.map(Stream.runCollect(store.events(id, seq)), (all) => all.map((one) => one.seq))
      assert.deepStrictEqual(yield* from(1), [1, 2])
      assert.deepStrictEqual(yield* from(3), [])
      assert.deepStrictEqual(yield* from(99), [])
    })
  },
  {
    name: "keeps the logs of queries apart",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const [one, two] = [yield* createdQuery, yield* createdQuery]
      yield* store.appendEvents(one.id, [thinking("one")])
      yield* store.appendEvents(two.id, [thinking("two")])
      const log = yield* Stream.runCollect(store.events(two.id, 0))
      assert.deepStrictEqual(
        log.map(({ event, queryId, seq }) => ({ event, queryId, seq })),
        [{ event: thinking("two"), queryId: two.id, seq: 0 }]
      )
    })
  },
  {
    name: "calls a query running at its first event and ended at its result, with the outcome and the time",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const query = yield* createdQuery
      yield* store.appendEvents(query.id, [thinking("a")])
      assert.deepStrictEqual(
        yield* store.getQuery(query.id),
        new Query.Query({ ...query, status: "running", startedAt: query.createdAt })
      )
      yield* TestClock.adjust("2 seconds")
      yield* store.appendEvents(query.id, [result])
      assert.deepStrictEqual(
        yield* store.getQuery(query.id),
        new Query.Query({
          ...query,
          status: "ended",
          outcome: "denied",
          error: "not allowed",
          usage: result.usage,
          startedAt: query.createdAt,
          endedAt: DateTime.add(query.createdAt, { seconds: 2 })
        })
      )
    })
  },
  {
    name: "closes the log with the result",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { id } = yield* createdQuery
      yield* store.appendEvents(id, [result])
      assert.strictEqual((yield* reasonOf(store.appendEvents(id, [thinking("late")])))._tag, "LogClosed")
      assert.strictEqual((yield* reasonOf(store.appendEvents(id, [result])))._tag, "LogClosed")
      assert.lengthOf(yield* Stream.runCollect(store.events(id, 0)), 1)
    })
  }
]
