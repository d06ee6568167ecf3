import { assert } from "@effect/vitest"
import { Agent, Lease, Query } from "@remote-agent/domain"
import { Leases, StateStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, Option, Result, Stream } from "effect"
import {
  type Case,
  createdAgent,
  createdQuery,
  Passage,
  reasonOf,
  result,
  thinking
} from "./stateStoreCases.ts"

const resource = "agent 'one' \u0000\ud83d"
const me = { holder: "me", ttl: "30 seconds" } as const
const you = { holder: "you", ttl: "30 seconds" } as const
const job = new Query.QueryJob({ id: "job", directory: "/job" })

/** What every store of leases does, and what a store of agents and queries does about them. */
export const cases: ReadonlyArray<Case> = [
  {
    name: "gives a lease to one, and to another only when it has run out",
    run: Effect.gen(function* () {
      const [leases, { pass }] = [yield* Leases.Leases, yield* Passage]
      assert.deepStrictEqual(yield* leases.current(resource), Option.none())
      const mine = yield* leases.acquire(resource, me)
      assert.deepStrictEqual([mine.resource, mine.holder, mine.token], [resource, "me", 1])
      yield* pass("20 seconds")
      const reason = yield* reasonOf(leases.acquire(resource, you))
      assert(reason._tag === "LeaseHeld")
      assert.deepStrictEqual([reason.resource, reason.holder], [resource, "me"])
      assert.deepStrictEqual(
        Option.map(yield* leases.current(resource), ({ holder, token }) => [holder, token]),
        Option.some(["me", 1])
      )
      yield* pass("10 seconds")
      assert.deepStrictEqual(yield* leases.current(resource), Option.none())
      assert.strictEqual((yield* leases.acquire(resource, you)).token, 2)
    })
  },
  {
    name: "keeps the leases of resources apart",
    run: Effect.gen(function* () {
      const leases = yield* Leases.Leases
      const [one, two] = [yield* leases.acquire("a", me), yield* leases.acquire("b", you)]
      assert.deepStrictEqual([one.token, two.token], [1, 1])
      yield* leases.release(one)
      assert.isTrue(Option.isSome(yield* leases.current("b")))
    })
  },
  {
    name: "extends a lease, also one that ran out and that nobody took",
    run: Effect.gen(function* () {
      const [leases, { pass }] = [yield* Leases.Leases, yield* Passage]
      const mine = yield* leases.acquire(resource, me)
      yield* pass("20 seconds")
      const longer = yield* leases.renew(mine, "30 seconds")
      assert.strictEqual(longer.token, mine.token)
      assert.isTrue(DateTime.isGreaterThan(longer.until, mine.until))
      yield* pass("20 seconds")
      assert.strictEqual((yield* reasonOf(leases.acquire(resource, you)))._tag, "LeaseHeld")
      yield* pass("1 hour")
      yield* leases.renew(longer, "30 seconds")
      assert.strictEqual((yield* reasonOf(leases.acquire(resource, you)))._tag, "LeaseHeld")
    })
  },
  {
    name: "refuses to extend a lease that another took, that was given back, or that never was",
    run: Effect.gen(function* () {
      const [leases, { pass }] = [yield* Leases.Leases, yield* Passage]
      const mine = yield* leases.acquire(resource, me)
      yield* pass("1 minute")
      const yours = yield* leases.acquire(resource, you)
      const lost = yield* reasonOf(leases.renew(mine, "30 seconds"))
      assert(lost._tag === "LeaseLost")
      assert.strictEqual(lost.resource, resource)
      yield* leases.release(yours)
      assert.strictEqual((yield* reasonOf(leases.renew(yours, "30 seconds")))._tag, "LeaseLost")
      const never = new Lease.Lease({ ...yours, resource: "never" })
      assert.strictEqual((yield* reasonOf(leases.renew(never, "30 seconds")))._tag, "LeaseLost")
      assert.deepStrictEqual(yield* leases.current(resource), Option.none())
    })
  },
  {
    name: "gives a lease back for others to take at once, and counts on",
    run: Effect.gen(function* () {
      const leases = yield* Leases.Leases
      const mine = yield* leases.acquire(resource, me)
      yield* leases.release(mine)
      yield* leases.release(mine)
      assert.deepStrictEqual(yield* leases.current(resource), Option.none())
      const yours = yield* leases.acquire(resource, you)
      assert.strictEqual(yours.token, 2)
      yield* leases.release(mine)
      assert.deepStrictEqual(yield* leases.current(resource), Option.some(yours))
    })
  },
  {
    name: "gives the same holder a new lease and takes the earlier one from it",
    run: Effect.gen(function* () {
      const leases = yield* Leases.Leases
      const [first, second] = [yield* leases.acquire(resource, me), yield* leases.acquire(resource, me)]
      assert.deepStrictEqual([first.token, second.token], [1, 2])
      assert.strictEqual((yield* reasonOf(leases.renew(first, "30 seconds")))._tag, "LeaseLost")
      yield* leases.release(first)
      assert.deepStrictEqual(yield* leases.current(resource), Option.some(second))
    })
  },
  {
    name: "gives a lease to one of many that ask at once",
    run: Effect.gen(function* () {
      const leases = yield* Leases.Leases
      const results = yield* Effect.forEach(
        Array.from({ length: 20 }).keys(),
        (index) => Effect.result(leases.acquire(resource, { holder: `h${index}`, ttl: "1 minute" })),
        { concurrency: "unbounded" }
      )
      const [won, ...others] = results.filter(Result.isSuccess)
      assert.lengthOf(others, 0)
      assert.deepStrictEqual(
        Option.map(yield* leases.current(resource), ({ holder }) => holder),
        Option.fromUndefinedOr(won?.success.holder)
      )
    })
  },
  {
    name: "refuses every write of a holder whose lease was taken over, and changes nothing",
    run: Effect.gen(function* () {
      const [store, leases, { pass }] = [yield* StateStore.StateStore, yield* Leases.Leases, yield* Passage]
      const [agent, query] = [yield* createdAgent("active"), yield* createdQuery]
      const mine = yield* leases.acquire(resource, me)
      yield* store.appendEvents(query.id, [thinking("before")], mine)
      yield* pass("1 minute")
      const yours = yield* leases.acquire(resource, you)
      const before = yield* store.getQuery(query.id)
      for (const write of [
        store.updateAgent(new Agent.Agent({ ...agent, queryCount: 9 }), mine),
        store.startQuery(query.id, job, mine),
        store.appendEvents(query.id, [thinking("late"), result], mine)
      ]) {
        const reason = yield* reasonOf<unknown, never>(write)
        assert(reason._tag === "Fenced")
        assert.deepStrictEqual([reason.resource, reason.token, reason.current], [resource, 1, 2])
      }
      assert.deepStrictEqual(yield* store.getAgent(agent.id), agent)
      assert.deepStrictEqual(yield* store.getQuery(query.id), before)
      assert.lengthOf(yield* Stream.runCollect(store.events(query.id, 0)), 1)
      yield* store.updateAgent(agent, yours)
      yield* store.startQuery(query.id, job, yours)
      yield* store.appendEvents(query.id, [result], yours)
    })
  },
  {
    name: "lets a holder write whose lease has run out, until somebody takes it, also after it was given back",
    run: Effect.gen(function* () {
      const [store, leases, { pass }] = [yield* StateStore.StateStore, yield* Leases.Leases, yield* Passage]
      const query = yield* createdQuery
      const mine = yield* leases.acquire(resource, me)
      yield* pass("1 hour")
      yield* store.appendEvents(query.id, [thinking("a")], mine)
      const yours = yield* leases.acquire(resource, you)
      yield* leases.release(yours)
      const reason = yield* reasonOf(store.appendEvents(query.id, [thinking("b")], mine))
      assert.strictEqual(reason._tag, "Fenced")
      yield* store.appendEvents(query.id, [thinking("c")], yours)
    })
  },
  {
    name: "has a write that shows a fence say what else is wrong with it",
    run: Effect.gen(function* () {
      const [store, leases] = [yield* StateStore.StateStore, yield* Leases.Leases]
      const [agent, query] = [yield* createdAgent("active"), yield* createdQuery]
      const mine = yield* leases.acquire(resource, me)
      yield* store.updateAgent(agent, mine)
      yield* store.appendEvents(query.id, [result], mine)
      const reasons = [
        yield* reasonOf(store.updateAgent(agent, mine)),
        yield* reasonOf(store.startQuery(query.id, job, mine)),
        yield* reasonOf(store.appendEvents(query.id, [result], mine))
      ]
      assert.deepStrictEqual(
        reasons.map(({ _tag }) => _tag),
        ["RevisionConflict", "LogClosed", "LogClosed"]
      )
    })
  }
]
