import { assert } from "@effect/vitest"
import { Agent, Budget, Id, Query, TokenUsage } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { DateTime, Duration, Effect, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  type Case,
  createdAgent,
  createdQuery,
  newAgent,
  newQuery,
  reasonOf,
  result,
  thinking
} from "./stateStoreCases.ts"

const job = new Query.QueryJob({
  id: "job-\u0000",
  directory: "/home/user/jobs/1",
  timeLeft: new Query.TimeLeft({
    time: Duration.millis(1500),
    of: "agent",
    exceeded: new Budget.Exceeded({ limit: "wall", allowed: 2000.5, spent: 2000.5 })
  })
})

const idsOf = <E, R>(queries: Stream.Stream<Query.Query, E, R>) =>
  Effect.map(Stream.runCollect(queries), (all) => all.map(({ id }) => id))

const told = (inputTokens: number, costUsd?: number) => ({
  type: "usage" as const,
  usage: new TokenUsage.TokenUsage({
    ...TokenUsage.zero,
    inputTokens,
    ...(costUsd === undefined ? {} : { costUsd })
  })
})

/** What every store does with queries on their way, and with what they used. */
export const cases: ReadonlyArray<Case> = [
  {
    name: "gives back a query with everything that may be said of it",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const query = yield* newQuery((yield* createdAgent()).id)
      const full = new Query.Query({
        ...query,
        status: "ended",
        outcome: "error",
        model: "provider/model:free",
        maxIterations: 7,
        error: "half a pair \ud83d, \u0000",
        usage: new TokenUsage.TokenUsage({
          inputTokens: Number.MAX_SAFE_INTEGER,
          outputTokens: 1,
          wallMillis: 0.1,
          costUsd: 1e-9
        }),
        timeouts: new Query.QueryTimeouts({ wall: Duration.minutes(5), idle: Duration.millis(1.5) }),
        job,
        trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        cancelRequestedAt: query.createdAt,
        cancelRequestedBy: "somebody\u0000",
        startedAt: query.createdAt,
        endedAt: query.createdAt
      })
      yield* store.createQuery(full)
      assert.deepStrictEqual(yield* store.getQuery(query.id), full)
    })
  },
  {
    name: "says which job answers a query, since when, and which one took its place",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const query = yield* createdQuery
      yield* TestClock.adjust("2 seconds")
      const started = yield* store.startQuery(query.id, job)
      const startedAt = DateTime.add(query.createdAt, { seconds: 2 })
      assert.deepStrictEqual(started, new Query.Query({ ...query, status: "running", job, startedAt }))
      assert.deepStrictEqual(yield* store.getQuery(query.id), started)
      yield* TestClock.adjust("2 seconds")
      const next = new Query.QueryJob({ id: "next", directory: "/next" })
      assert.deepStrictEqual(
        yield* store.startQuery(query.id, next),
        new Query.Query({ ...started, job: next })
      )
      yield* store.appendEvents(query.id, [result])
      assert.strictEqual((yield* reasonOf(store.startQuery(query.id, job)))._tag, "LogClosed")
      const ended = yield* store.getQuery(query.id)
      assert.deepStrictEqual([ended.startedAt, ended.job, ended.outcome], [startedAt, next, "denied"])
    })
  },
  {
    name: "notes the first request to end a query, and none once it has ended",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const [query, other] = [yield* createdQuery, yield* createdQuery]
      yield* TestClock.adjust("2 seconds")
      const asked = yield* store.requestCancel(query.id, "a person")
      assert.deepStrictEqual(
        asked,
        new Query.Query({
          ...query,
          cancelRequestedAt: DateTime.add(query.createdAt, { seconds: 2 }),
          cancelRequestedBy: "a person"
        })
      )
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* store.requestCancel(query.id, "another"), asked)
      assert.deepStrictEqual(yield* store.getQuery(query.id), asked)
      yield* store.appendEvents(other.id, [result])
      assert.isUndefined((yield* store.requestCancel(other.id)).cancelRequestedAt)
      const none = yield* newQuery(query.agentId)
      assert.strictEqual((yield* reasonOf(store.requestCancel(none.id)))._tag, "NotFound")
      assert.strictEqual((yield* reasonOf(store.startQuery(none.id, job)))._tag, "NotFound")
    })
  },
  {
    name: "lists queries oldest first, of an agent, of a status, from one on and so many",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const [one, two] = [yield* createdAgent(), yield* createdAgent()]
      const ids: Array<Id.QueryId> = []
      for (let index = 0; index < 6; index++) {
        const query = yield* newQuery(index % 2 === 0 ? one.id : two.id)
        ids.push(query.id)
        yield* store.createQuery(query)
        if (index < 3) yield* store.appendEvents(query.id, [thinking("a")])
        if (index < 2) yield* store.appendEvents(query.id, [result])
        yield* TestClock.adjust("1 second")
      }
      const at = (...indexes: ReadonlyArray<number>) => indexes.map((index) => ids[index])
      assert.deepStrictEqual(yield* idsOf(store.listQueries()), ids)
      assert.deepStrictEqual(yield* idsOf(store.listQueries({ agentId: two.id })), at(1, 3, 5))
      assert.deepStrictEqual(yield* idsOf(store.listQueries({ status: "ended" })), at(0, 1))
      assert.deepStrictEqual(yield* idsOf(store.listQueries({ status: "queued", agentId: one.id })), at(4))
      assert.deepStrictEqual(yield* idsOf(store.listQueries({}, { after: ids[2], limit: 2 })), at(3, 4))
      assert.deepStrictEqual(yield* idsOf(store.listQueries({}, { limit: 0 })), [])
      const [ended] = yield* Stream.runCollect(store.listQueries({ status: "ended" }))
      assert.strictEqual(ended?.outcome, "denied")
    })
  },
  {
    name: "lists every query once when there are as many as fill pages, and one more or less",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { id } = yield* createdAgent()
      const ids: Array<string> = []
      for (const count of [199, 200, 201, 400]) {
        while (ids.length < count) {
          const query = yield* newQuery(id)
          ids.push(query.id)
          yield* store.createQuery(query)
          yield* TestClock.adjust("1 second")
        }
        assert.deepStrictEqual(yield* idsOf(store.listQueries()), ids)
        assert.deepStrictEqual(yield* idsOf(store.listQueries({}, { limit: 201 })), ids.slice(0, 201))
      }
    })
  },
  {
    name: "counts the usage of ended queries for their agent, whoever writes the agent meanwhile",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const agent = yield* createdAgent("active")
      const before = new Agent.Agent({ ...agent, queryCount: 1 })
      for (let index = 0; index < 2; index++) {
        const query = yield* newQuery(agent.id)
        yield* store.createQuery(query)
        yield* store.appendEvents(query.id, [thinking("a"), result])
      }
      const written = yield* store.updateAgent(before)
      assert.deepStrictEqual(
        written.usage,
        new TokenUsage.TokenUsage({ inputTokens: 10, outputTokens: 14, wallMillis: 22, costUsd: 0.5 })
      )
      assert.deepStrictEqual(yield* store.getAgent(agent.id), written)
    })
  },
  {
    name: "says what ended queries used, of an agent, of a pool and since a time",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const pool = Id.PoolName.make("workers")
      const [one, two] = [yield* createdAgent(), yield* createdAgent()]
      yield* store.updateAgent(new Agent.Agent({ ...two, pool }))
      const answered = {
        ...result,
        outcome: "ok",
        usage: new TokenUsage.TokenUsage({ ...TokenUsage.zero, inputTokens: 1 })
      } as const
      const start = yield* DateTime.now
      for (const [agent, event] of [
        [one, result],
        [two, answered],
        [two, result]
      ] as const) {
        const query = yield* newQuery(agent.id)
        yield* store.createQuery(query)
        yield* store.appendEvents(query.id, [event])
        yield* TestClock.adjust("1 second")
      }
      yield* store.createQuery(yield* newQuery(one.id))
      assert.deepStrictEqual(yield* store.usage(), {
        usage: new TokenUsage.TokenUsage({ inputTokens: 11, outputTokens: 14, wallMillis: 22, costUsd: 0.5 }),
        queries: 3,
        outcomes: { denied: 2, ok: 1 }
      })
      assert.deepStrictEqual(yield* store.usage({ agentId: one.id }), {
        usage: result.usage,
        queries: 1,
        outcomes: { denied: 1 }
      })
      assert.deepStrictEqual((yield* store.usage({ pool })).outcomes, { denied: 1, ok: 1 })
      const since = DateTime.add(start, { seconds: 1 })
      assert.strictEqual((yield* store.usage({ since })).queries, 2)
      assert.deepStrictEqual(
        (yield* store.usage({ since: DateTime.add(start, { seconds: 1, milliseconds: 1 }) })).outcomes,
        { denied: 1 }
      )
      assert.deepStrictEqual(yield* store.usage({ pool: "none\u0000" }), {
        usage: TokenUsage.zero,
        queries: 0,
        outcomes: {}
      })
    })
  },
  {
    name: "lists queries newest first, by outcome, by several statuses and since a time",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { id: agentId } = yield* createdAgent()
      const ids: Array<Id.QueryId> = []
      for (let index = 0; index < 6; index++) {
        const query = yield* newQuery(agentId)
        ids.push(query.id)
        yield* store.createQuery(query)
        if (index < 3) yield* store.appendEvents(query.id, [thinking("a")])
        if (index === 0) yield* store.appendEvents(query.id, [result])
        if (index === 1) yield* store.appendEvents(query.id, [{ ...result, outcome: "ok" }])
        yield* TestClock.adjust("1 second")
      }
      const at = (...indexes: ReadonlyArray<number>) => indexes.map((index) => ids[index])
      const order = "newestFirst"
      const listed = (filter?: StateStore.QueryFilter, range?: StateStore.QueryRange) =>
        idsOf(store.listQueries(filter, { order, ...range }))
      assert.deepStrictEqual(yield* listed(), ids.toReversed())
      assert.deepStrictEqual(yield* listed({}, { limit: 2 }), at(5, 4))
      assert.deepStrictEqual(yield* listed({}, { after: ids[2], limit: 1 }), at(1))
      assert.deepStrictEqual(yield* listed({ outcome: "denied" }), at(0))
      assert.deepStrictEqual(yield* listed({ outcome: ["ok", "denied"] }), at(1, 0))
      assert.deepStrictEqual(yield* listed({ outcome: "ok", status: "queued" }), [])
      assert.deepStrictEqual(yield* listed({ status: ["running", "ended"] }), at(2, 1, 0))
      const third = yield* store.getQuery(ids[3] ?? (yield* newQuery(agentId)).id)
      assert.deepStrictEqual(yield* listed({ since: third.createdAt }), at(5, 4, 3))
      assert.deepStrictEqual(
        yield* listed({ since: DateTime.add(third.createdAt, { milliseconds: 1 }) }),
        at(5, 4)
      )
    })
  },
  {
    name: "finds queries by id or by the beginning of an id, newest first, and none by less than that",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { id: agentId } = yield* createdAgent()
      const ids: Array<Id.QueryId> = []
      for (let index = 0; index < 12; index++) {
        const query = yield* newQuery(agentId)
        ids.push(query.id)
        yield* store.createQuery(query)
        yield* TestClock.adjust("1 second")
      }
      const [first = ""] = ids
      const found = (text: string) => Effect.map(store.findQueries(text), (all) => all.map(({ id }) => id))
      assert.deepStrictEqual(yield* found(first), [first])
      assert.deepStrictEqual(yield* found(first.slice(0, 16)), [first])
      // The first characters of an id are its time, which these have in common.
      assert.deepStrictEqual(yield* found(first.slice(0, 8)), ids.toReversed().slice(0, StateStore.mostFound))
      for (const text of ["", "qry_", first.slice(0, 7), "qry_%", agentId, `${first}0`, "qry_zzzz"]) {
        assert.deepStrictEqual(yield* found(text), [], text)
      }
    })
  },
  {
    name: "lists the queries of the agents of a profile or of a pool",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const base = yield* newAgent()
      const pooled = new Agent.Agent({ ...base, profile: "other", pool: Id.PoolName.make("team") })
      yield* store.createAgent(pooled)
      const [one, two] = [yield* newQuery((yield* createdAgent()).id), yield* newQuery(pooled.id)]
      yield* store.createQuery(one)
      yield* store.createQuery(two)
      assert.deepStrictEqual(yield* idsOf(store.listQueries({ profile: "tiny" })), [one.id])
      assert.deepStrictEqual(yield* idsOf(store.listQueries({ profile: "other" })), [two.id])
      assert.deepStrictEqual(yield* idsOf(store.listQueries({ pool: "team" })), [two.id])
      assert.deepStrictEqual(yield* idsOf(store.listQueries({ pool: "team", profile: "tiny" })), [])
    })
  },
  {
    name: "returns the newest query of an agent, whatever its status, and none of an agent without queries",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const [one, two] = [yield* createdAgent(), yield* createdAgent()]
      assert.isTrue(Option.isNone(yield* store.newestQuery(one.id)))
      const asked = Effect.fnUntraced(function* (agentId: Id.AgentId) {
        const query = yield* newQuery(agentId)
        yield* store.createQuery(query)
        yield* TestClock.adjust("1 second")
        return query
      })
      yield* asked(one.id)
      const newest = yield* asked(one.id)
      yield* asked(two.id)
      assert.deepStrictEqual(yield* store.newestQuery(one.id), Option.some(newest))
      yield* store.appendEvents(newest.id, [result])
      const ended = Option.getOrThrow(yield* store.newestQuery(one.id))
      assert.deepStrictEqual([ended.id, ended.status], [newest.id, "ended"])
    })
  },
  {
    name: "sums up usage per agent, per profile and per day, ordered by key",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      yield* TestClock.setTime(Date.parse("1970-01-01T23:59:58Z"))
      const [one, two] = [yield* createdAgent(), yield* createdAgent()]
      yield* store.updateAgent(new Agent.Agent({ ...one, profile: "o'ther" }))
      const stranger = yield* newAgent()
      const answered = { ...result, usage: new TokenUsage.TokenUsage({ ...TokenUsage.zero, inputTokens: 1 }) }
      for (const [agent, event] of [
        [one, result],
        [two, answered],
        [two, result],
        [stranger, answered]
      ] as const) {
        const query = yield* newQuery(agent.id)
        yield* store.createQuery(query)
        yield* store.appendEvents(query.id, [event])
        yield* TestClock.adjust("1 second")
      }
      yield* store.createQuery(yield* newQuery(one.id))
      const both = TokenUsage.add(answered.usage, result.usage)
      assert.deepStrictEqual(
        yield* store.usageBy("agent"),
        [
          { key: one.id, name: one.name, queries: 1, usage: result.usage },
          { key: two.id, name: two.name, queries: 2, usage: both },
          { key: stranger.id, queries: 1, usage: answered.usage }
        ].toSorted((a, b) => (a.key < b.key ? -1 : 1))
      )
      assert.deepStrictEqual(yield* store.usageBy("profile"), [
        { key: "o'ther", queries: 1, usage: result.usage },
        { key: "tiny", queries: 2, usage: both },
        { queries: 1, usage: answered.usage }
      ])
      assert.deepStrictEqual(yield* store.usageBy("day"), [
        { key: "1970-01-01", queries: 2, usage: both },
        { key: "1970-01-02", queries: 2, usage: both }
      ])
      const since = DateTime.makeUnsafe("1970-01-02T00:00:00Z")
      assert.deepStrictEqual(
        (yield* store.usageBy("profile", { since, agentId: two.id })).map(({ key, queries }) => [
          key,
          queries
        ]),
        [["tiny", 1]]
      )
      assert.deepStrictEqual(yield* store.usageBy("day", { pool: "none\u0000" }), [])
    })
  },
  {
    name: "says what a pool has used, also in the middle of queries",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const pool = Id.PoolName.make("workers")
      assert.deepStrictEqual(yield* store.poolUsage(pool), { ended: TokenUsage.zero, running: [] })
      const [one, two, other] = [yield* createdAgent(), yield* createdAgent("active"), yield* createdAgent()]
      yield* store.updateAgent(new Agent.Agent({ ...one, pool }))
      const mine = yield* store.updateAgent(new Agent.Agent({ ...two, pool }))
      const asked = Effect.fnUntraced(function* (agent: Agent.Agent) {
        const query = yield* newQuery(agent.id)
        yield* store.createQuery(query)
        yield* TestClock.adjust("1 second")
        return query
      })
      const queries = [yield* asked(one), yield* asked(mine), yield* asked(mine), yield* asked(other)]
      const [first, second, queued, foreign] = queries
      assert(first !== undefined && second !== undefined && queued !== undefined && foreign !== undefined)
      yield* store.startQuery(first.id, job)
      yield* store.appendEvents(first.id, [told(1), told(2, 0.5), thinking("a")])
      yield* store.appendEvents(second.id, [thinking("a")])
      yield* store.appendEvents(foreign.id, [told(100)])
      const running = yield* store.getQuery(first.id)
      assert.isUndefined(running.usage, "what it used is known when it has ended")
      const startedAt = DateTime.add(first.createdAt, { seconds: 4 })
      assert.deepStrictEqual(yield* store.poolUsage(pool), {
        ended: TokenUsage.zero,
        running: [
          { id: first.id, startedAt, usage: told(2, 0.5).usage },
          { id: second.id, startedAt, usage: TokenUsage.zero }
        ]
      })
      yield* store.appendEvents(first.id, [told(3), result])
      yield* store.appendEvents(second.id, [told(7)])
      yield* store.updateAgent(new Agent.Agent({ ...(yield* store.getAgent(mine.id)), status: "terminated" }))
      assert.deepStrictEqual(yield* store.poolUsage(pool), {
        ended: result.usage,
        running: [{ id: second.id, startedAt, usage: told(7).usage }]
      })
    })
  },
  {
    name: "adds up what no number can hold to the greatest that there is",
    run: Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { id } = yield* createdAgent()
      const most = Number.MAX_SAFE_INTEGER
      const usage = new TokenUsage.TokenUsage({
        inputTokens: most,
        outputTokens: 0,
        wallMillis: most,
        costUsd: most
      })
      for (let index = 0; index < 3; index++) {
        const query = yield* newQuery(id)
        yield* store.createQuery(query)
        yield* store.appendEvents(query.id, [{ ...result, usage }])
      }
      assert.deepStrictEqual((yield* store.usage()).usage, usage)
      assert.deepStrictEqual((yield* store.getAgent(id)).usage, usage)
    })
  }
]
