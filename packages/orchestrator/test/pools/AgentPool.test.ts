import { assert, describe, it } from "@effect/vitest"
import { type Id, SandboxError } from "@remote-agent/domain"
import { AgentPool } from "@remote-agent/orchestrator"
import { MemorySandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Deferred, Effect, Exit, Fiber, Ref, Result, Schema, Scope, Stream } from "effect"
import {
  answers,
  ends,
  exit,
  faultAt,
  finish,
  hangs,
  layer,
  makeLog,
  nothing,
  nothingLeft,
  type Options,
  pass,
  standing,
  start,
  taking,
  timed
} from "../support/support.ts"
import { byId } from "../support/byId.ts"

const pool = (spec: AgentPool.PoolSpec) => Effect.flatMap(byId, (orchestrator) => orchestrator.pool(spec))

/** Queries a pool of its own and gives back all results, and the virtual time from the first query to the last result. */
const queryAll = Effect.fnUntraced(function* (
  spec: AgentPool.PoolSpec,
  texts: ReadonlyArray<string>,
  options?: AgentPool.PoolQueryOptions
) {
  const made = yield* pool(spec)
  return yield* timed(Stream.runCollect(made.query(texts, options)))
}, Effect.scoped)

const answerOf = ({ result }: AgentPool.PoolResult): string =>
  Result.match(result, {
    onSuccess: ({ answer }) => answer,
    onFailure: ({ reason }) => reason._tag
  })

const indexes = (results: ReadonlyArray<AgentPool.PoolResult>) => results.map(({ index }) => index)

/** Counts how many answers are being given at once. */
const counting = () => {
  const state = { now: 0, most: 0, runs: 0 }
  const count = (program: MemorySandboxes.Program): MemorySandboxes.Program =>
    Stream.unwrap(
      Effect.as(
        Effect.acquireRelease(
          Effect.sync(() => {
            state.runs++
            state.most = Math.max(state.most, ++state.now)
          }),
          () => Effect.sync(() => state.now--)
        ),
        program
      )
    )
  return { state, count }
}

const slowly = (millis: number): Options => ({
  latency: ({ operation }) => (operation === "create" ? millis : 0)
})

/** A pool that is told of, with the tags of what happened by slot. */
const makeEvents = Effect.map(makeLog<AgentPool.PoolEvent>(), ({ all, tell }) => ({
  onEvent: tell,
  all,
  tags: Effect.map(all, (events) => events.map(({ _tag, slot }) => `${_tag} ${slot}`)),
  count: (tag: AgentPool.PoolEvent["_tag"]) =>
    Effect.map(all, (events) => events.filter(({ _tag }) => _tag === tag).length)
}))

const lastAgentIn = Effect.fnUntraced(function* (slot: number, events: Effect.Success<typeof makeEvents>) {
  const agents = (yield* events.all).flatMap((event) =>
    event._tag === "Ready" && event.slot === slot ? [event.agent] : []
  )
  const agent = agents.at(-1)
  assert(agent?.binding !== undefined)
  return { id: agent.id, sandboxId: agent.binding.sandboxId }
})

const kill = (id: Id.SandboxId) => Effect.flatMap(Sandboxes.Sandboxes, (sandboxes) => sandboxes.terminate(id))

/** A program that works until its sandbox ends under it. */
const fatal = { answer: (text: string) => (text === "die" ? hangs : undefined) }

/** Ends the sandbox of every agent that shows that it is up, which is what the program of `fatal` does. */
const makeFatalEvents = Effect.gen(function* () {
  const sandboxes = yield* Sandboxes.Sandboxes
  const events = yield* makeEvents
  const onEvent = (event: AgentPool.PoolEvent) =>
    Effect.gen(function* () {
      yield* events.onEvent(event)
      if (event._tag !== "Event" || event.record.event.type !== "ready") return
      yield* Effect.orDie(sandboxes.terminate((yield* lastAgentIn(event.slot, events)).sandboxId))
    })
  return { ...events, onEvent }
})

const hundred = Array.from({ length: 100 }, (_, index) => taking(1000, String(index)))

describe("a pool", () => {
  it.effect(
    "never has more sandboxes than its size nor more queries at once, and puts every query once",
    () => {
      const { count, state } = counting()
      return Effect.gen(function* () {
        const [results] = yield* finish(queryAll({ size: 7 }, hundred))
        assert.deepStrictEqual(
          results.map(answerOf),
          hundred.map((text) => `re: ${text}`)
        )
        assert.strictEqual(yield* (yield* MemorySandboxes.Ledger).peak, 7)
        assert.deepStrictEqual(state, { now: 0, most: 7, runs: 100 })
        assert.deepStrictEqual(yield* nothingLeft, nothing)
        assert.deepStrictEqual(
          yield* standing,
          Array.from({ length: 7 }, () => "terminated")
        )
      }).pipe(Effect.provide(layer({ answer: (text) => count(answers(`re: ${text}`, "1 second")) })))
    }
  )

  it.effect("answers k queries of equal length on n agents in exactly ceil(k / n) rounds", () =>
    Effect.gen(function* () {
      for (const [queries, size] of [
        [1, 1],
        [6, 3],
        [7, 3],
        [100, 7],
        [3, 10]
      ] as const) {
        const [, millis] = yield* finish(
          Effect.provide(queryAll({ size, launchConcurrency: size }, hundred.slice(0, queries)), layer())
        )
        assert.strictEqual(millis, Math.ceil(queries / size) * 1000, `${queries} on ${size}`)
      }
    })
  )

  it.effect("gives results in the order of the queries, or as they come when that is asked for", () => {
    const texts = [3000, 1000, 2000, 500].map((millis) => taking(millis))
    return Effect.gen(function* () {
      const [byInput] = yield* finish(queryAll({ size: 4 }, texts))
      assert.deepStrictEqual(indexes(byInput), [0, 1, 2, 3])
      const [byCompletion] = yield* finish(queryAll({ size: 4 }, texts, { order: "completion" }))
      assert.deepStrictEqual(indexes(byCompletion), [3, 1, 2, 0])
      for (const { index, query } of [...byInput, ...byCompletion]) assert.strictEqual(query, texts[index])
    }).pipe(Effect.provide(layer()))
  })

  it.effect("gives a result as soon as it and all before it are there", () =>
    Effect.gen(function* () {
      const results = yield* makeLog<number>()
      const made = yield* pool({ size: 3 })
      yield* start(
        Stream.runForEach(made.query([taking(2000), taking(1000), taking(3000)]), ({ index }) =>
          results.tell(index)
        )
      )
      yield* pass("1 second")
      assert.deepStrictEqual(yield* results.all, [])
      yield* pass("1 second")
      assert.deepStrictEqual(yield* results.all, [0, 1])
      yield* pass("1 second")
      assert.deepStrictEqual(yield* results.all, [0, 1, 2])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("gives no results for no queries", () =>
    Effect.gen(function* () {
      const [results, millis] = yield* queryAll({ size: 2 }, [])
      assert.deepStrictEqual(results, [])
      assert.strictEqual(millis, 0)
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("keeps a failure to its own query, whose agent goes on", () =>
    Effect.gen(function* () {
      const texts = ["a", "fail", "b", "fail", "c"]
      const [results] = yield* finish(queryAll({ size: 1 }, texts))
      assert.deepStrictEqual(results.map(answerOf), ["re: a", "QueryFailed", "re: b", "QueryFailed", "re: c"])
      assert.strictEqual(yield* (yield* MemorySandboxes.Ledger).peak, 1)
    }).pipe(
      Effect.provide(
        layer({ answer: (text) => (text === "fail" ? ends("error", "no") : answers(`re: ${text}`)) })
      )
    )
  )

  it.effect("stops a query at its time limit and goes on with the others", () =>
    Effect.gen(function* () {
      const [results, millis] = yield* finish(
        queryAll({ size: 2 }, ["hang", "a", "b"], { timeout: "30 seconds" })
      )
      assert.deepStrictEqual(results.map(answerOf), ["QueryFailed", "re: a", "re: b"])
      assert.strictEqual(millis, 30_000)
    }).pipe(Effect.provide(layer({ answer: (text) => (text === "hang" ? hangs : answers(`re: ${text}`)) })))
  )

  it.effect("shares its agents among queries that are put at the same time", () => {
    const { count, state } = counting()
    return Effect.gen(function* () {
      const made = yield* pool({ size: 3 })
      const all = (from: number) => Stream.runCollect(made.query(hundred.slice(from, from + 6)))
      const [[first, second], millis] = yield* finish(timed(Effect.all([all(0), all(6)], { concurrency: 2 })))
      assert.deepStrictEqual(
        [...first, ...second].map(answerOf),
        hundred.slice(0, 12).map((text) => `re: ${text}`)
      )
      assert.deepStrictEqual(indexes(second), [0, 1, 2, 3, 4, 5])
      assert.strictEqual(millis, 4000)
      assert.strictEqual(state.most, 3)
    }).pipe(
      Effect.scoped,
      Effect.provide(layer({ answer: (text) => count(answers(`re: ${text}`, "1 second")) }))
    )
  })

  it.effect("tells of everything in its order", () =>
    Effect.gen(function* () {
      const events = yield* makeEvents
      const [results] = yield* queryAll({ size: 1, onEvent: events.onEvent }, ["a", "b"])
      assert.deepStrictEqual(yield* events.tags, [
        "Launching 0",
        "Ready 0",
        ...["a", "b"].flatMap(() => ["Started 0", "Event 0", "Event 0", "Ended 0"])
      ])
      const all = yield* events.all
      assert.deepStrictEqual(
        all.flatMap((event) => (event._tag === "Started" ? [[event.index, event.query]] : [])),
        [
          [0, "a"],
          [1, "b"]
        ]
      )
      assert.deepStrictEqual(
        all.flatMap((event) => (event._tag === "Event" ? [event.record.event.type] : [])),
        ["thinking", "result", "thinking", "result"]
      )
      assert.deepStrictEqual(
        all.flatMap((event) => (event._tag === "Ended" ? [event.result] : [])),
        results
      )
    }).pipe(Effect.provide(layer()))
  )

  it.effect.prop(
    "answers every query once and in order, whatever the sizes and durations",
    [
      Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50 }))),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 8 })),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
    ],
    ([durations, size, launchConcurrency]) =>
      Effect.gen(function* () {
        const texts = durations.map((millis, index) => taking(millis, String(index)))
        const done: Array<number> = []
        const onEvent = (event: AgentPool.PoolEvent) =>
          Effect.sync(() => event._tag === "Ended" && done.push(event.result.index))
        const spec = { size, launchConcurrency, onEvent }
        const [byInput] = yield* finish(queryAll(spec, texts))
        assert.deepStrictEqual(
          byInput.map(answerOf),
          texts.map((text) => `re: ${text}`)
        )
        assert.deepStrictEqual(indexes(byInput), [...texts.keys()])
        done.length = 0
        const [byCompletion] = yield* finish(queryAll(spec, texts, { order: "completion" }))
        assert.deepStrictEqual(indexes(byCompletion), done)
        assert.deepStrictEqual(
          done.toSorted((a, b) => a - b),
          [...texts.keys()]
        )
        assert.isAtMost(yield* (yield* MemorySandboxes.Ledger).peak, size)
        assert.deepStrictEqual(yield* nothingLeft, nothing)
      }).pipe(Effect.provide(layer(slowly(20)))),
    { arbitrary: { runs: 40 } }
  )
})

describe("launching a pool", () => {
  it.effect("has no more launches under way than allowed, and works as soon as one agent is there", () =>
    Effect.gen(function* () {
      const events = yield* makeEvents
      const [made, millis] = yield* finish(
        timed(pool({ size: 5, launchConcurrency: 2, onEvent: events.onEvent }))
      )
      assert.strictEqual(millis, 60_000)
      assert.strictEqual(yield* made.size, 5)
    }).pipe(Effect.scoped, Effect.provide(layer(slowly(60_000))))
  )

  it.effect("launches in rounds of launchConcurrency", () =>
    Effect.gen(function* () {
      const events = yield* makeEvents
      yield* start(
        Effect.scoped(
          Effect.andThen(pool({ size: 5, launchConcurrency: 2, onEvent: events.onEvent }), Effect.never)
        )
      )
      for (const [launching, ready] of [
        [2, 0],
        [4, 2],
        [5, 4],
        [5, 5]
      ] as const) {
        assert.strictEqual(yield* events.count("Launching"), launching)
        assert.strictEqual(yield* events.count("Ready"), ready)
        yield* pass("1 minute")
      }
    }).pipe(Effect.provide(layer(slowly(60_000))))
  )

  it.effect("goes on with fewer agents when some launches fail", () =>
    Effect.gen(function* () {
      const events = yield* makeEvents
      const made = yield* pool({ size: 3, onEvent: events.onEvent })
      const [results, millis] = yield* finish(timed(Stream.runCollect(made.query(hundred.slice(0, 4)))))
      assert.deepStrictEqual(
        results.map(answerOf),
        hundred.slice(0, 4).map((text) => `re: ${text}`)
      )
      assert.strictEqual(millis, 2000)
      assert.strictEqual(yield* made.size, 2)
      assert.strictEqual(yield* events.count("LaunchFailed"), 1)
      assert.strictEqual((yield* nothingLeft).alive, 2)
    }).pipe(
      Effect.scoped,
      Effect.provide(layer({ fault: faultAt("create", new SandboxError.QuotaExceeded({}), 1) }))
    )
  )

  it.effect("fails with the reason when no agent can be launched, and leaves nothing", () =>
    Effect.gen(function* () {
      const events = yield* makeEvents
      const { reason } = yield* Effect.flip(
        Effect.scoped(pool({ size: 3, launchConcurrency: 1, onEvent: events.onEvent }))
      )
      assert(reason._tag === "LaunchFailed")
      assert.strictEqual(reason.stage, "health")
      assert.strictEqual(yield* events.count("LaunchFailed"), 3)
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer({ check: () => Stream.make(exit(1)) })))
  )

  it.effect("dies with a launch that dies, and does not hang", () =>
    Effect.gen(function* () {
      const exited = yield* Effect.exit(Effect.scoped(pool({ size: 2 })))
      assert.isTrue(Exit.hasDies(exited))
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(
      Effect.provide(
        layer({
          prepare: () => {
            throw new TypeError("a bug")
          }
        })
      )
    )
  )

  it.effect("takes a size below one for one", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* (yield* pool({ size: 0, launchConcurrency: 0 })).size, 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("that is interrupted leaves nothing, however far it is", () =>
    Effect.gen(function* () {
      for (const seconds of [0, 30, 60, 90, 150, 300]) {
        const fiber = yield* start(
          Effect.scoped(Effect.andThen(pool({ size: 3, launchConcurrency: 1 }), Effect.never))
        )
        yield* pass(`${seconds} seconds`)
        yield* finish(Fiber.interrupt(fiber))
        assert.deepStrictEqual(yield* nothingLeft, nothing, `${seconds} seconds`)
      }
      assert.deepStrictEqual([...new Set(yield* standing)], ["terminated"])
    }).pipe(Effect.provide(layer(slowly(60_000))))
  )
})

describe("a pool that loses an agent", () => {
  it.effect("reports the query that was under way, announces the loss and replaces the agent", () =>
    Effect.gen(function* () {
      const events = yield* makeEvents
      const made = yield* pool({ size: 2, onEvent: events.onEvent })
      const fiber = yield* start(Stream.runCollect(made.query(hundred.slice(0, 6))))
      yield* pass("500 millis")
      const lost = yield* lastAgentIn(0, events)
      yield* kill(lost.sandboxId)
      yield* pass("1 hour")
      const results = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        results.map(answerOf).filter((answer) => answer === "AgentLost"),
        ["AgentLost"]
      )
      assert.lengthOf(results, 6)
      assert.strictEqual(results.find((one) => answerOf(one) === "AgentLost")?.agentId, lost.id)
      assert.strictEqual(yield* made.size, 2)
      assert.deepStrictEqual(
        (yield* events.tags).filter((tag) => tag.endsWith(" 0") && !/Event|Started|Ended/.test(tag)),
        ["Launching 0", "Ready 0", "Lost 0", "Launching 0", "Ready 0"]
      )
      assert.strictEqual(yield* (yield* MemorySandboxes.Ledger).peak, 2)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("replaces an agent that somebody else terminated", () =>
    Effect.gen(function* () {
      const events = yield* makeEvents
      const orchestrator = yield* byId
      const made = yield* pool({ size: 1, onEvent: events.onEvent })
      yield* orchestrator.terminate((yield* lastAgentIn(0, events)).id)
      const results = yield* Stream.runCollect(made.query(["a", "b", "c"]))
      assert.deepStrictEqual(results.map(answerOf), ["AgentNotReady", "re: b", "re: c"])
      assert.strictEqual(yield* events.count("Lost"), 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect(
    "replaces an agent so often in a row and no more, and then fails what is left of the queries",
    () =>
      Effect.gen(function* () {
        const events = yield* makeFatalEvents
        const made = yield* pool({ size: 1, replacements: 2, onEvent: events.onEvent })
        const results = yield* finish(Stream.runCollect(made.query(Array.from({ length: 6 }, () => "die"))))
        assert.deepStrictEqual(
          results.map(answerOf),
          Array.from({ length: 6 }, () => "AgentLost")
        )
        assert.deepStrictEqual(
          results.map(({ agentId }) => agentId !== undefined),
          [true, true, true, false, false, false]
        )
        assert.strictEqual(yield* events.count("Lost"), 3)
        assert.strictEqual(yield* events.count("Ready"), 3)
        assert.strictEqual(yield* made.size, 0)
        const later = yield* Stream.runCollect(made.query(["later"]))
        assert.deepStrictEqual(later.map(answerOf), ["AgentLost"])
        assert.deepStrictEqual(yield* nothingLeft, nothing)
      }).pipe(Effect.scoped, Effect.provide(layer(fatal)))
  )

  it.effect("counts replacements anew once an agent has answered", () =>
    Effect.gen(function* () {
      const events = yield* makeFatalEvents
      const made = yield* pool({ size: 1, replacements: 1, onEvent: events.onEvent })
      const texts = ["die", "a", "die", "b", "die", "c"]
      const results = yield* finish(Stream.runCollect(made.query(texts)))
      assert.deepStrictEqual(
        results.map(answerOf),
        texts.map((text) => (text === "die" ? "AgentLost" : `re: ${text}`))
      )
      assert.strictEqual(yield* events.count("Lost"), 3)
    }).pipe(Effect.scoped, Effect.provide(layer(fatal)))
  )

  it.effect("leaves it out when there are to be no replacements", () =>
    Effect.gen(function* () {
      const events = yield* makeFatalEvents
      const made = yield* pool({ size: 2, replacements: 0, onEvent: events.onEvent })
      const results = yield* finish(Stream.runCollect(made.query(["die", taking(1000), taking(1000)])))
      assert.deepStrictEqual(results.map(answerOf), [
        "AgentLost",
        "re:  in 1000 millis",
        "re:  in 1000 millis"
      ])
      assert.strictEqual(yield* made.size, 1)
      assert.strictEqual((yield* nothingLeft).alive, 1)
    }).pipe(Effect.scoped, Effect.provide(layer(fatal)))
  )

  it.effect("fails what is left of the queries when the replacement cannot be launched", () =>
    Effect.gen(function* () {
      const events = yield* makeFatalEvents
      const [results] = yield* finish(queryAll({ size: 1, onEvent: events.onEvent }, ["die", "a", "b"]))
      assert.deepStrictEqual(results.map(answerOf), ["AgentLost", "LaunchFailed", "LaunchFailed"])
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(
      Effect.provide(
        layer({
          ...fatal,
          fault: faultAt("create", new SandboxError.QuotaExceeded({}), 1)
        })
      )
    )
  )
})

describe("stopping a pool", () => {
  it.effect("interrupting it stops all queries and terminates all agents", () => {
    const { count, state } = counting()
    return Effect.gen(function* () {
      const fiber = yield* start(queryAll({ size: 5 }, hundred))
      yield* pass("2500 millis")
      assert.deepStrictEqual(yield* nothingLeft, { alive: 5, commands: 5 })
      yield* finish(Fiber.interrupt(fiber))
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      assert.strictEqual(state.now, 0)
      assert.strictEqual(state.runs, 15)
      assert.deepStrictEqual(
        yield* standing,
        Array.from({ length: 5 }, () => "terminated")
      )
    }).pipe(Effect.provide(layer({ answer: (text) => count(answers(`re: ${text}`, "1 second")) })))
  })

  it.effect("leaving the results stops the queries that run, and the agents are usable again", () =>
    Effect.gen(function* () {
      const events = yield* makeEvents
      const made = yield* pool({ size: 3, onEvent: events.onEvent })
      const first = yield* finish(
        Stream.runCollect(
          Stream.take(made.query([taking(100), taking(60_000), taking(60_000), taking(60_000)]), 1)
        )
      )
      assert.deepStrictEqual(indexes(first), [0])
      assert.deepStrictEqual(yield* nothingLeft, { alive: 3, commands: 0 })
      const [again, millis] = yield* finish(timed(Stream.runCollect(made.query(hundred.slice(0, 3)))))
      assert.lengthOf(
        again.filter(({ result }) => Result.isSuccess(result)),
        3
      )
      assert.strictEqual(millis, 1000)
      assert.strictEqual(yield* events.count("Lost"), 0)
      assert.strictEqual(yield* (yield* MemorySandboxes.Ledger).peak, 3)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("ending its scope while others query it ends their queries, and launches nothing any more", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const made = yield* Scope.provide(pool({ size: 2 }), scope)
      const fiber = yield* start(Stream.runCollect(made.query(hundred.slice(0, 10))))
      yield* pass("500 millis")
      yield* finish(Scope.close(scope, Exit.void))
      yield* pass("1 hour")
      assert.isDefined(fiber.pollUnsafe())
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      assert.strictEqual(yield* (yield* MemorySandboxes.Ledger).peak, 2)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("ends all agents at once, not one after the other", () =>
    Effect.gen(function* () {
      const [, millis] = yield* finish(timed(Effect.scoped(pool({ size: 10, launchConcurrency: 10 }))))
      assert.isBelow(millis, 2 * 1000)
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(Effect.provide(layer({ latency: ({ operation }) => (operation === "terminate" ? 1000 : 0) })))
  )

  it.effect("waits for whoever it tells, so that nothing is told out of order", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const told = yield* Ref.make(0)
      const fiber = yield* start(
        queryAll(
          {
            size: 1,
            onEvent: () =>
              Effect.andThen(
                Deferred.await(gate),
                Ref.update(told, (count) => count + 1)
              )
          },
          ["a"]
        )
      )
      assert.deepStrictEqual(yield* (yield* MemorySandboxes.Ledger).calls, [])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* Ref.get(told), 6)
    }).pipe(Effect.provide(layer()))
  )
})
