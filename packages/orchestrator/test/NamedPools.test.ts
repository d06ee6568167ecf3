import { assert, describe, it } from "@effect/vitest"
import { Budget, Id } from "@remote-agent/domain"
import { type AgentPool, Orchestrator } from "@remote-agent/orchestrator"
import { Memory, Sandboxes } from "@remote-agent/sandbox"
import { Duration, Effect, Fiber, Result, Stream } from "effect"
import { exit, finish, layer, makeLog, nothingLeft, pass, standing, start, taking } from "./support.ts"

const here = Orchestrator.Orchestrator
const pool = (spec: AgentPool.PoolSpec) => Effect.flatMap(here, (orchestrator) => orchestrator.pool(spec))
const name = Id.PoolName.make("research")

const tagOf = ({ result }: AgentPool.PoolResult) =>
  Result.match(result, { onSuccess: ({ outcome }) => outcome, onFailure: ({ reason }) => reason._tag })

const ask = (made: AgentPool.AgentPool, texts: ReadonlyArray<string>) =>
  Effect.map(Stream.runCollect(made.query(texts)), (results) => results.map(tagOf))

const peak = Effect.flatMap(Memory.Ledger, (ledger) => ledger.peak)
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

  it.effect("has a budget for all of its agents together", () =>
    Effect.gen(function* () {
      const made = yield* pool({
        name,
        size: 2,
        poolBudget: new Budget.Budget({ wall: Duration.seconds(3) })
      })
      const asking = yield* start(
        ask(
          made,
          Array.from({ length: 4 }, () => taking(2000))
        )
      )
      yield* pass("1 hour")
      assert.deepStrictEqual(yield* Fiber.join(asking), ["ok", "ok", "BudgetExceeded", "BudgetExceeded"])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

describe("the size of a pool", () => {
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
      yield* finish(ask(made, [taking(2000)]))
      const busy = yield* start(ask(made, [taking(60_000)]))
      const waiting = yield* start(ask(made, ["b"]))
      assert.strictEqual(yield* made.waiting, 1)
      const [rejected] = yield* Stream.runCollect(made.query(["c"]))
      assert(rejected !== undefined && Result.isFailure(rejected.result))
      const { reason } = rejected.result.failure
      assert(reason._tag === "PoolFull")
      assert.deepStrictEqual([reason.size, reason.busy, reason.waiting], [1, 1, 1])
      assert.include(rejected.result.failure.message, "2s")
      assert.isTrue(rejected.result.failure.isRetryable)
      yield* pass("1 hour")
      assert.deepStrictEqual([yield* Fiber.join(busy), yield* Fiber.join(waiting)], [["ok"], ["ok"]])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("waits at its end for queries that run, for so long and not longer", () =>
    Effect.gen(function* () {
      for (const [millis, tag] of [
        [5000, "ok"],
        [60_000, "AgentLost"]
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
