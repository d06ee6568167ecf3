import { assert, describe, it } from "@effect/vitest"
import { Budget, Id, Profile, Query, TokenUsage } from "@remote-agent/domain"
import { type AgentPool, StateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { DateTime, Duration, Effect, Fiber, Metric, Result, Stream } from "effect"
import {
  exit,
  layer,
  line,
  makeLog,
  nothingLeft,
  pass,
  standing,
  start,
  taking,
  timed,
  tiny
} from "../support/support.ts"
import { byId } from "../support/byId.ts"

const here = byId
const pool = (spec: AgentPool.PoolSpec) => Effect.flatMap(here, (orchestrator) => orchestrator.pool(spec))
const name = Id.PoolName.make("research")

const tagOf = ({ result }: AgentPool.PoolResult) =>
  Result.match(result, { onSuccess: ({ outcome }) => outcome, onFailure: ({ reason }) => reason._tag })

const ask = (made: AgentPool.AgentPool, texts: ReadonlyArray<string>) =>
  Effect.map(Stream.runCollect(made.query(texts)), (results) => results.map(tagOf))

const peak = Effect.flatMap(MemorySandboxes.Ledger, (ledger) => ledger.peak)
const alive = Effect.map(nothingLeft, (left) => left.alive)

describe("a pool with a name", () => {
  it.effect("keeps its agents, and whoever opens it again goes on with those that are well", () => {
    const sick = new Set<string>()
    return Effect.gen(function* () {
      const orchestrator = yield* here
      const ready = yield* makeLog<AgentPool.PoolEvent>()
      const used = (size: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const made = yield* pool({ name, size, onEvent: ready.tell })
            assert.deepStrictEqual(yield* ask(made, ["a", "b", "c"]), ["ok", "ok", "ok"])
          })
        )
      yield* used(2)
      const agents = yield* Stream.runCollect(orchestrator.list({ pool: name }))
      assert.lengthOf(agents, 2)
      const [first, second] = agents
      assert(first?.binding !== undefined && second?.binding !== undefined)
      yield* orchestrator.pause(first.id)
      sick.add(second.binding.sandboxId)
      yield* used(2)
      assert.strictEqual(yield* peak, 3)
      const lost = (yield* ready.all).flatMap((event) => (event._tag === "Lost" ? [event.agent.id] : []))
      assert.deepStrictEqual(lost, [second.id])
      yield* orchestrator.closePool(name)
      yield* orchestrator.closePool(name)
      assert.deepStrictEqual(yield* nothingLeft, { alive: 0, commands: 0 })
      assert.deepStrictEqual(yield* standing, ["terminated", "terminated", "terminated"])
    }).pipe(Effect.provide(layer({ check: (_, { id }) => Stream.make(exit(sick.has(id) ? 1 : 0)) })))
  })

  it.effect("is opened again as it was, but for what is said, which is so from then on", () =>
    Effect.gen(function* () {
      const { getPool } = yield* StateStore.StateStore
      const budget = new Budget.Budget({ tokens: 5 })
      yield* Effect.scoped(
        pool({
          name,
          size: 1,
          profile: "other",
          persistent: false,
          labels: { team: "a" },
          whenFull: "reject",
          queueLimit: 1,
          maxSize: 3,
          poolBudget: budget
        })
      )
      const first = yield* getPool(name)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const made = yield* pool({ name, size: 2 })
          const asking = yield* start(ask(made, [taking(2000), taking(2000)]))
          yield* start(ask(made, ["b"]))
          assert.deepStrictEqual(yield* ask(made, ["c"]), ["PoolFull"])
          yield* pass("1 hour")
          yield* Fiber.join(asking)
        })
      )
      const { revision, size, updatedAt: _, ...second } = yield* getPool(name)
      assert.deepStrictEqual([size, revision], [2, first.revision + 1])
      assert.deepStrictEqual(second, {
        name,
        profile: "other",
        status: "open",
        persistent: false,
        labels: { team: "a" },
        whenFull: "reject",
        queueLimit: 1,
        maxSize: 3,
        budget,
        createdAt: first.createdAt
      })
      const agents = yield* Stream.runCollect((yield* here).list({ pool: name }))
      assert.deepStrictEqual(
        agents.map(({ labels, persistent, profile }) => ({ labels, persistent, profile })),
        agents.map(() => ({ labels: { team: "a" }, persistent: false, profile: "other" }))
      )
      assert.lengthOf(agents, 2)
      yield* Effect.scoped(pool({ name, size: 2, whenFull: "wait", queueLimit: 7 }))
      const third = yield* getPool(name)
      assert.deepStrictEqual([third.whenFull, third.queueLimit, third.maxSize], ["wait", 7, 3])
    }).pipe(Effect.provide(layer({ profiles: [tiny, new Profile.Profile({ ...tiny, name: "other" })] })))
  )

  it.effect("keeps to its profile, and is not recorded with one that nobody knows", () =>
    Effect.gen(function* () {
      const { getPool } = yield* StateStore.StateStore
      const unknown = yield* Effect.flip(Effect.scoped(pool({ name, size: 1, profile: "nobody" })))
      assert.strictEqual(unknown.reason._tag, "UnknownProfile")
      assert.strictEqual((yield* Effect.flip(getPool(name))).reason._tag, "NotFound")
      yield* Effect.scoped(pool({ name, size: 1 }))
      const before = yield* getPool(name)
      const { message, reason } = yield* Effect.flip(
        Effect.scoped(pool({ name, size: 3, profile: "other", whenFull: "reject" }))
      )
      assert(reason._tag === "OtherProfile")
      assert.deepStrictEqual([reason.name, reason.profile, reason.asked], [name, "tiny", "other"])
      assert.include(message, "choose another name")
      assert.deepStrictEqual(yield* getPool(name), before)
      assert.strictEqual(yield* peak, 1)
    }).pipe(Effect.provide(layer({ profiles: [tiny, new Profile.Profile({ ...tiny, name: "other" })] })))
  )
})

const told = (...used: ReadonlyArray<number>) =>
  Stream.fromIterable(
    used.map((inputTokens) => line({ type: "event", event: { type: "usage", inputTokens, outputTokens: 0 } }))
  )

const hm = line({ type: "event", event: { type: "thinking", message: "hm" } })

describe.each([{ name }, {}])("the budget of a pool (%o)", (named) => {
  const limited = (size: number, poolBudget: Budget.Budget) => pool({ ...named, size, poolBudget })

  it.effect("is for all of its agents together, in the middle of their queries as well", () =>
    Effect.gen(function* () {
      const made = yield* limited(2, new Budget.Budget({ wall: Duration.seconds(5) }))
      const four = Array.from({ length: 4 }, () => taking(2000))
      const asking = yield* start(timed(ask(made, four)))
      yield* pass("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(asking), [
        ["ok", "ok", "BudgetExceeded", "BudgetExceeded"],
        2500
      ])
      const [late] = yield* Stream.runCollect(made.query(["late"]))
      assert(late !== undefined && Result.isFailure(late.result))
      const { reason } = late.result.failure
      assert(reason._tag === "BudgetExceeded")
      assert.deepStrictEqual([reason.of, reason.exceeded.limit], ["pool", "wall"])
      yield* (yield* here).closePool(name)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("counts the seconds of all sandboxes from their launches to their ends", () =>
    Effect.gen(function* () {
      const made = yield* limited(2, new Budget.Budget({ sandboxSeconds: 100 }))
      yield* pass("10 seconds")
      yield* made.resize(1)
      // The one that was ended has had 10 seconds, the other may have 90.
      const asking = yield* start(timed(ask(made, [taking(79_000), taking(60_000)])))
      yield* pass("79 seconds")
      yield* pass("999 millis")
      assert.isUndefined(asking.pollUnsafe())
      yield* pass("1 millis")
      yield* pass("1 hour")
      assert.deepStrictEqual(yield* Fiber.join(asking), [["ok", "BudgetExceeded"], 80_000])
      assert.deepStrictEqual(yield* ask(made, ["late"]), ["BudgetExceeded"])
      yield* (yield* here).closePool(name)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("counts what other agents have told in the middle of their queries", () =>
    Effect.gen(function* () {
      const made = yield* limited(3, new Budget.Budget({ tokens: 1000 }))
      const asking = yield* start(ask(made, ["0", "1", "2"]))
      yield* pass("1 second")
      yield* pass("1 second")
      assert.isUndefined(asking.pollUnsafe())
      yield* pass("1 second")
      yield* pass("1 second")
      yield* pass("1 hour")
      assert.deepStrictEqual(yield* Fiber.join(asking), [
        "BudgetExceeded",
        "BudgetExceeded",
        "BudgetExceeded"
      ])
      const { usage } = yield* (yield* here).usage()
      assert.strictEqual(
        TokenUsage.totalTokens(usage),
        1200,
        "each was stopped after the call that reached it"
      )
      yield* (yield* here).closePool(name)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        layer({
          answer: () =>
            Stream.concat(
              Stream.flatMap(Stream.make(100, 200, 300, 400, 500), (used) =>
                Stream.concat(told(used), Stream.fromEffect(Effect.delay(Effect.succeed(hm), "1 second")))
              ),
              Stream.never
            )
        })
      )
    )
  )
})

it.effect(
  "a query that nobody ended counts as long as it can have run for its pool's budget, and not longer",
  () =>
    Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const ready = yield* makeLog<Id.AgentId>()
      const made = yield* pool({
        name,
        size: 2,
        launchConcurrency: 1,
        poolBudget: new Budget.Budget({ wall: Duration.minutes(11) }),
        onEvent: (event) => (event._tag === "Ready" ? ready.tell(event.agent.id) : Effect.void)
      })
      yield* pass("1 second")
      // The other one answers first.
      const [, agentId] = yield* ready.all
      assert(agentId !== undefined)
      const id = yield* Id.nextQueryId
      const createdAt = yield* DateTime.now
      yield* store.createQuery(new Query.Query({ id, agentId, text: "lost", status: "queued", createdAt }))
      yield* store.startQuery(id, new Query.QueryJob({ id, directory: "/home/user/jobs/1" }))
      yield* pass("30 minutes")
      // Ten minutes are taken for the lost one, so that one is left.
      const slow = yield* start(timed(ask(made, [taking(100_000)])))
      yield* pass("2 minutes")
      assert.deepStrictEqual(yield* Fiber.join(slow), [["BudgetExceeded"], 60_000])
      yield* (yield* here).closePool(name)
    }).pipe(Effect.scoped, Effect.provide(layer()))
)

describe("the size of a pool", () => {
  it.effect("decides how many queries run at once, also of those that were given before it changed", () =>
    Effect.gen(function* () {
      const made = yield* pool({ size: 1 })
      const results = yield* start(
        ask(
          made,
          Array.from({ length: 6 }, () => taking(10_000))
        )
      )
      const { listQueries } = yield* StateStore.StateStore
      const running = Effect.map(Stream.runCollect(listQueries({ status: "running" })), (all) => all.length)
      assert.strictEqual(yield* running, 1)
      yield* made.resize(3)
      yield* pass("10 seconds")
      assert.strictEqual(yield* running, 3)
      yield* made.resize(1)
      yield* pass("10 seconds")
      assert.strictEqual(yield* running, 1)
      for (let step = 0; step < 3; step++) yield* pass("10 seconds")
      assert.lengthOf(yield* Fiber.join(results), 6)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("grows at once, and shrinks when agents have answered", () =>
    Effect.gen(function* () {
      const made = yield* pool({ size: 1 })
      yield* made.resize(3)
      yield* pass("1 second")
      assert.strictEqual(yield* alive, 3)
      const asking = yield* start(ask(made, [taking(1000), taking(2000), taking(3000)]))
      yield* made.resize(1)
      assert.strictEqual(yield* alive, 3)
      yield* pass("3 seconds")
      assert.deepStrictEqual(yield* Fiber.join(asking), ["ok", "ok", "ok"])
      assert.strictEqual(yield* alive, 1)
      assert.strictEqual(yield* made.size, 1)
      yield* made.resize(2)
      yield* pass("1 second")
      yield* made.resize(1)
      assert.strictEqual(yield* alive, 1)
      assert.deepStrictEqual(yield* ask(made, ["a"]), ["ok"])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("is exceeded by bursts up to its limit, and only while there is need", () =>
    Effect.gen(function* () {
      const made = yield* pool({ size: 1, maxSize: 3, whenFull: "burst" })
      const asking = yield* start(
        ask(
          made,
          Array.from({ length: 6 }, () => taking(1000))
        )
      )
      yield* pass("10 millis")
      assert.strictEqual(yield* alive, 3)
      yield* pass("10 seconds")
      assert.deepStrictEqual(
        yield* Fiber.join(asking),
        Array.from({ length: 6 }, () => "ok")
      )
      assert.strictEqual(yield* alive, 1)
      assert.strictEqual(yield* peak, 3)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("rejects what comes when all are busy, with counts and when to come again", () =>
    Effect.gen(function* () {
      const made = yield* pool({ size: 1, whenFull: "reject", queueLimit: 1 })
      const unanswered = yield* start(ask(made, [taking(2000), taking(0)]))
      const also = yield* start(ask(made, ["a"]))
      const [early] = yield* Stream.runCollect(made.query(["c"]))
      assert(early !== undefined && Result.isFailure(early.result))
      assert.strictEqual(early.result.failure.reason._tag, "PoolFull")
      assert.include(early.result.failure.message, "10s", "nothing has been answered yet")
      yield* pass("2 seconds")
      yield* Effect.all([Fiber.join(unanswered), Fiber.join(also)])
      const busy = yield* start(ask(made, [taking(60_000)]))
      const waiting = yield* start(ask(made, ["b"]))
      assert.strictEqual(yield* made.waiting, 1)
      const [rejected] = yield* Stream.runCollect(made.query(["c"]))
      assert(rejected !== undefined && Result.isFailure(rejected.result))
      const { reason } = rejected.result.failure
      assert(reason._tag === "PoolFull")
      assert.deepStrictEqual([reason.size, reason.busy, reason.waiting], [1, 1, 1])
      assert.isAbove(Duration.toMillis(reason.retryAfter), 0)
      assert.isBelow(Duration.toMillis(reason.retryAfter), 2000, "the average of what was answered lately")
      assert.isTrue(rejected.result.failure.isRetryable)
      yield* pass("1 hour")
      assert.deepStrictEqual([yield* Fiber.join(busy), yield* Fiber.join(waiting)], [["ok"], ["ok"]])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("waits at its end for queries that run, for so long and not longer", () =>
    Effect.gen(function* () {
      for (const [millis, tag] of [
        [5000, "ok"],
        [60_000, "AgentNotReady"]
      ] as const) {
        const results = yield* makeLog<string>()
        const using = yield* start(
          Effect.scoped(
            Effect.gen(function* () {
              const made = yield* pool({ size: 1, drain: "10 seconds" })
              yield* Effect.forkDetach(
                Effect.flatMap(ask(made, [taking(millis)]), ([one = "?"]) => results.tell(one))
              )
              yield* Effect.sleep("1 second")
            })
          )
        )
        yield* pass("1 second")
        assert.strictEqual(yield* alive, 1)
        yield* pass("10 seconds")
        yield* Fiber.join(using)
        yield* pass("1 second")
        assert.deepStrictEqual(yield* results.all, [tag])
        assert.strictEqual(yield* alive, 0)
      }
    }).pipe(Effect.provide(layer()))
  )
})

it.effect("the metrics of a pool say how many queries wait, and how long they have waited", () =>
  Effect.gen(function* () {
    const made = yield* pool({ size: 1 })
    const waiting = Effect.map(Metric.snapshot, (all) =>
      all.flatMap((one) =>
        one.id === "remote_agent_pool_waiting" && one.type === "Gauge" ? [one.state.value] : []
      )
    )
    const asking = yield* start(
      Effect.all([ask(made, [taking(5000)]), ask(made, ["b"]), ask(made, ["c"])], { concurrency: 3 })
    )
    assert.deepStrictEqual(yield* waiting, [2])
    const leaving = yield* start(ask(made, ["d"]))
    assert.deepStrictEqual(yield* waiting, [3])
    yield* Fiber.interrupt(leaving)
    assert.deepStrictEqual(yield* waiting, [2])
    yield* pass("5 seconds")
    yield* Fiber.join(asking)
    assert.deepStrictEqual(yield* waiting, [0])
    const waits = (yield* Metric.snapshot).flatMap((one) =>
      one.id === "remote_agent_pool_wait_millis" && one.type === "Histogram" ? [one.state] : []
    )
    assert.deepStrictEqual(
      waits.map(({ count, max, min, sum }) => ({ count, max, min, sum })),
      [{ count: 3, max: 5000, min: 0, sum: 10_000 }]
    )
  }).pipe(Effect.scoped, Effect.provide(layer()), Effect.provideService(Metric.MetricRegistry, new Map()))
)

it.effect("a pool goes on without the sandboxes that others took away", () =>
  Effect.gen(function* () {
    const orchestrator = yield* here
    yield* Effect.scoped(pool({ name, size: 2 }))
    for (const { binding } of yield* Stream.runCollect(orchestrator.list({ pool: name }))) {
      if (binding !== undefined) yield* (yield* Sandboxes.Sandboxes).terminate(binding.sandboxId)
    }
    const made = yield* pool({ name, size: 2 })
    assert.deepStrictEqual(yield* ask(made, ["a", "b", "c"]), ["ok", "ok", "ok"])
  }).pipe(Effect.scoped, Effect.provide(layer()))
)

const resized = (size: number) => Effect.flatMap(here, ({ pools }) => pools.resize(name, size))
const opened = (size: number) => Effect.scoped(Effect.flatMap(pool({ name, size }), ({ settled }) => settled))

describe("pools.resize", () => {
  it.effect("launches the agents that a pool lacks, and terminates those that are too many", () =>
    Effect.gen(function* () {
      yield* opened(2)
      const larger = yield* resized(4)
      assert.deepStrictEqual([larger.agents.length, larger.failures, larger.busy], [4, [], []])
      assert.strictEqual(yield* alive, 4)
      const smaller = yield* resized(1)
      assert.deepStrictEqual([smaller.agents.length, smaller.busy], [1, []])
      assert.strictEqual(yield* alive, 1)
      const { pools } = yield* here
      const sizes = yield* Stream.runCollect(Stream.map(pools.list, (known) => known.size))
      assert.deepStrictEqual(sizes, [1])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("leaves an agent that is answering a query, and names it", () =>
    Effect.gen(function* () {
      const { agents } = yield* here
      yield* opened(2)
      const members = yield* Stream.runCollect(agents.list({ pool: name }))
      yield* Effect.forEach(members, (agent) => start(Effect.ignore(agents.of(agent).query(taking(60_000)))))
      const { agents: kept, busy } = yield* resized(1)
      assert.lengthOf(kept, 1)
      const ids = [...kept.map(({ id }) => id), ...busy]
      assert.deepStrictEqual(ids.toSorted(), members.map(({ id }) => id).toSorted())
      assert.strictEqual(yield* alive, 2)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("says which launches failed", () => {
    let launches = 0
    return Effect.gen(function* () {
      yield* opened(1)
      const { agents, failures } = yield* resized(2)
      assert.lengthOf(agents, 1)
      assert.deepStrictEqual(
        failures.map(({ reason }) => reason._tag),
        ["LaunchFailed"]
      )
    }).pipe(Effect.provide(layer({ prepare: () => Stream.make(exit(launches++ === 0 ? 0 : 1)) })))
  })

  it.effect("fails with PoolNotFound for a name that no pool has", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(resized(1))).reason._tag, "PoolNotFound")
      assert.strictEqual(yield* alive, 0)
    }).pipe(Effect.provide(layer()))
  )
})
