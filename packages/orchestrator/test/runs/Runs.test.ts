import { assert, describe, it } from "@effect/vitest"
import { Profile, Run, RunTransition, TokenUsage, type Id } from "@remote-agent/domain"
import { Runs, RunStore, RunWorker } from "@remote-agent/orchestrator"
import { type Cause, DateTime, Deferred, Duration, Effect, Fiber, Layer, Queue, Stream } from "effect"
import {
  answers,
  ends,
  finish,
  hangs,
  layer,
  nothing,
  nothingLeft,
  type Options,
  pass,
  start,
  tiny
} from "../support/support.ts"

const provided = (options: Options = {}) => Effect.provide(Layer.provideMerge(Runs.layer, layer(options)))

const runOf = Effect.fnUntraced(function* (texts: ReadonlyArray<string>, spec: Partial<Runs.RunSpec> = {}) {
  const runs = yield* Runs.Runs
  const { id } = yield* runs.create({ size: 2, ...spec })
  yield* runs.add(id, Stream.fromIterable(texts))
  yield* runs.seal(id)
  return id
})

const worked = (id: Id.RunId, slots = 10) =>
  Effect.flatMap(Runs.Runs, (runs) => finish(runs.work({ run: id, slots })))

const resultsOf = (id: Id.RunId, order: "input" | "completion" = "input") =>
  Effect.flatMap(Runs.Runs, (runs) => Stream.runCollect(runs.results(id, { order })))

const said = (all: ReadonlyArray<Run.Question>) =>
  all.map(({ answer, index, outcome }) => `${index} ${outcome} ${answer}`)

const letters = ["a", "b", "c", "d", "e"]

describe("Runs", () => {
  it.effect("answers every question once, in the order of the input, and leaves no sandbox", () =>
    Effect.gen(function* () {
      const id = yield* runOf(letters)
      yield* worked(id)
      assert.deepStrictEqual(
        said(yield* resultsOf(id)),
        letters.map((letter, index) => `${index} ok re: ${letter}`)
      )
      const run = yield* (yield* Runs.Runs).get(id)
      assert.deepStrictEqual([run.status, run.counts.ok, run.counts.total], ["completed", 5, 5])
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(provided())
  )

  it.effect("tries failed questions again as its policy says, and records what failed at the end", () => {
    let crashes = 0
    return Effect.gen(function* () {
      const retry = new Run.RetryPolicy({
        attempts: 2,
        outcomes: ["error"],
        delay: Duration.seconds(5),
        maxDelay: Duration.minutes(1)
      })
      const id = yield* runOf(["fails once", "fails"], { retry })
      yield* worked(id)
      assert.deepStrictEqual(
        (yield* resultsOf(id)).map(({ attempts, error, outcome }) => [outcome, attempts, error]),
        [
          ["ok", 2, undefined],
          ["error", 2, "broken"]
        ]
      )
      const { counts } = yield* (yield* Runs.Runs).get(id)
      assert.deepStrictEqual([counts.retried, counts.failed, counts.ok], [2, 1, 1])
    }).pipe(
      provided({
        answer: (text) =>
          text === "fails" || (text === "fails once" && crashes++ === 0) ? ends("error", "broken") : undefined
      })
    )
  })

  it.effect("stops after failures and goes on when it is resumed", () =>
    Effect.gen(function* () {
      const runs = yield* Runs.Runs
      const id = yield* runOf(letters, { size: 1, stopAfter: 2 })
      yield* worked(id)
      const stopped = yield* runs.get(id)
      assert.deepStrictEqual(
        [stopped.status, stopped.stopReason, stopped.counts.failed],
        ["stopped", "failures", 2]
      )
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      yield* runs.resume(id)
      yield* worked(id)
      assert.strictEqual((yield* runs.get(id)).counts.failed, 4)
      yield* runs.resume(id)
      yield* worked(id)
      assert.strictEqual((yield* runs.get(id)).status, "completed")
      assert.lengthOf(yield* resultsOf(id), 5)
    }).pipe(provided({ answer: () => ends("error", "broken") }))
  )

  it.effect("lets started questions end when it is paused, and starts no other", () =>
    Effect.gen(function* () {
      const runs = yield* Runs.Runs
      const id = yield* runOf(letters.map((letter) => `${letter} in 60000 millis`))
      const fiber = yield* start(runs.work({ run: id, slots: 10 }))
      yield* pass("10 seconds")
      yield* runs.pause(id)
      yield* finish(Fiber.join(fiber))
      const paused = yield* runs.get(id)
      assert.deepStrictEqual([paused.status, paused.counts.ok, paused.counts.waiting], ["paused", 2, 3])
      assert.deepStrictEqual(yield* nothingLeft, nothing)
      yield* runs.resume(id)
      yield* worked(id)
      assert.strictEqual((yield* runs.get(id)).counts.ok, 5)
    }).pipe(provided())
  )

  it.effect("cancels running queries, starts no other, and leaves no sandbox", () =>
    Effect.gen(function* () {
      const runs = yield* Runs.Runs
      const id = yield* runOf(letters)
      const fiber = yield* start(runs.work({ run: id, slots: 10 }))
      yield* pass("10 seconds")
      yield* runs.cancel(id)
      yield* finish(Fiber.join(fiber))
      const results = yield* resultsOf(id)
      assert.deepStrictEqual(
        results.map(({ outcome }) => outcome),
        ["aborted", "aborted"]
      )
      assert.strictEqual((yield* Effect.flip(runs.resume(id))).reason._tag, "RunOver")
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(provided({ answer: () => hangs }))
  )

  it.effect("stops at its budget, and answers the rest when it is resumed with another", () =>
    Effect.gen(function* () {
      const [runs, store] = [yield* Runs.Runs, yield* RunStore.RunStore]
      const id = yield* runOf(
        letters.map((letter) => `${letter} in 30000 millis`),
        { size: 1, budget: { wall: Duration.seconds(70) } }
      )
      yield* worked(id)
      const stopped = yield* runs.get(id)
      assert.deepStrictEqual([stopped.status, stopped.stopReason], ["stopped", "budget"])
      assert.strictEqual(stopped.counts.ok, 2)
      yield* store.change(id, (stoppedRun) => {
        const { budget: _, ...rest } = stoppedRun
        return new Run.Run(rest)
      })
      yield* runs.resume(id)
      yield* worked(id)
      assert.strictEqual((yield* runs.get(id)).counts.ok, 5)
    }).pipe(provided())
  )

  it.effect("stops when no agent can be launched, and says why", () =>
    Effect.gen(function* () {
      const runs = yield* Runs.Runs
      const id = yield* runOf(["a"])
      yield* worked(id)
      const { counts, problem, status, stopReason } = yield* runs.get(id)
      assert.deepStrictEqual([status, stopReason, counts.waiting], ["stopped", "launch", 1])
      assert.include(problem, "health")
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(provided({ check: () => Stream.make({ _tag: "Exit", exitCode: 1 }) }))
  )

  it.effect("streams results while questions still arrive", () =>
    Effect.gen(function* () {
      const runs = yield* Runs.Runs
      const created = yield* Deferred.make<Id.RunId>()
      const input = yield* Queue.unbounded<string, Cause.Done>()
      const feeder = yield* start(
        runs.start({ size: 2 }, Stream.fromQueue(input), (made) => Deferred.succeed(created, made.id))
      )
      const id = yield* Deferred.await(created)
      const worker = yield* start(runs.work({ slots: 2 }))
      yield* Queue.offer(input, "a")
      const reader = yield* start(Stream.runCollect(runs.results(id, { order: "completion", follow: true })))
      yield* pass("5 seconds")
      assert.strictEqual((yield* runs.get(id)).counts.ok, 1)
      yield* Queue.offer(input, "b")
      yield* Queue.end(input)
      yield* finish(Fiber.join(feeder))
      assert.deepStrictEqual(said(yield* finish(Fiber.join(reader))), ["0 ok re: a", "1 ok re: b"])
      yield* pass("1 minute")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(provided())
  )

  it.effect("goes on with the questions it has when the process that read them has died", () =>
    Effect.gen(function* () {
      const runs = yield* Runs.Runs
      const { id } = yield* runs.create({ size: 2 })
      yield* runs.add(id, Stream.make("a", "b"))
      yield* worked(id)
      const { counts, problem, status } = yield* runs.get(id)
      assert.deepStrictEqual([status, counts.ok], ["completed", 2])
      assert.include(problem, "after 2 of them")
    }).pipe(provided())
  )

  it.effect(
    "puts a question that met a usage limit back until its reset, once, and holds others back meanwhile",
    () => {
      let limited = 0
      const keyed = new Profile.Profile({ ...tiny, env: [new Profile.EnvRule({ name: "OPENAI_API_KEY" })] })
      const settings = {
        OPENAI_API_KEY: "sk-not-a-key-at-all",
        REMOTE_AGENT_LIMITS: JSON.stringify({ OPENAI_API_KEY: { concurrent: 1 } })
      }
      return Effect.gen(function* () {
        const runs = yield* Runs.Runs
        const id = yield* runOf(["a", "b"], { stopAfter: 1 })
        const fiber = yield* start(runs.work({ run: id, slots: 2 }))
        yield* pass("30 seconds")
        const waiting = yield* runs.get(id)
        assert.deepStrictEqual([waiting.counts.limited, waiting.counts.failed, waiting.counts.ok], [1, 0, 0])
        yield* pass("40 seconds")
        yield* finish(Fiber.join(fiber))
        const { counts, status } = yield* runs.get(id)
        assert.deepStrictEqual([status, counts.ok, counts.limited], ["completed", 2, 1])
        assert.deepStrictEqual(yield* nothingLeft, nothing)
      }).pipe(
        provided({
          profiles: [keyed],
          settings,
          answer: () =>
            limited++ === 0 ? ends("error", "429 Too Many Requests, try again in 60 seconds") : undefined
        })
      )
    }
  )

  it.effect("hands a running query over when a worker is interrupted, and starts it once", () => {
    const asked: Array<string> = []
    return Effect.gen(function* () {
      const runs = yield* Runs.Runs
      const id = yield* runOf(["a", "b"])
      const first = yield* start(runs.work({ slots: 2 }))
      yield* pass("10 seconds")
      yield* Fiber.interrupt(first)
      assert.lengthOf(asked, 2)
      yield* worked(id)
      assert.deepStrictEqual(said(yield* resultsOf(id)), ["0 ok A", "1 ok A"])
      assert.deepStrictEqual(asked.toSorted(), ["a", "b"])
      assert.deepStrictEqual(yield* nothingLeft, nothing)
    }).pipe(
      provided({
        answer: (text) => {
          asked.push(text)
          return answers("A", "1 minute")
        }
      })
    )
  })
})

const run = (counts: Partial<Run.RunCounts>, spec: Partial<Run.Run> = {}) =>
  new Run.Run({
    id: `run_${"0".repeat(26)}` as Id.RunId,
    status: "running",
    profile: "tiny",
    size: 3,
    priority: 0,
    retry: Run.noRetries,
    sealed: true,
    usage: TokenUsage.zero,
    failedBefore: 0,
    launchFailures: 0,
    createdAt: DateTime.makeUnsafe(0),
    ...spec,
    counts: new Run.RunCounts({
      total: 9,
      waiting: 0,
      running: 0,
      ok: 0,
      failed: 0,
      retried: 0,
      limited: 0,
      ...counts
    })
  })

describe("RunWorker", () => {
  it("wants as many slots as there are questions, those in use first", () => {
    assert.deepStrictEqual(RunWorker.wanted(run({ waiting: 9 }), [2]), [2, 0, 1])
    assert.deepStrictEqual(RunWorker.wanted(run({ waiting: 1, running: 1 }), [2]), [2, 0])
    assert.deepStrictEqual(RunWorker.wanted(run({ running: 1 }), [2]), [2])
    assert.deepStrictEqual(RunWorker.wanted(RunTransition.pause(run({ waiting: 9 })), [2]), [2])
  })

  it("gives runs of one priority equally many slots, and greater priorities all they want", () => {
    const [a, b, c] = [
      run({}, { id: `run_${"a".repeat(26)}` as Id.RunId }),
      run({}, { id: `run_${"b".repeat(26)}` as Id.RunId }),
      run({}, { id: `run_${"c".repeat(26)}` as Id.RunId, priority: 1 })
    ]
    const places = RunWorker.fairly([
      { run: a, slots: [0, 1] },
      { run: b, slots: [5] },
      { run: c, slots: [0, 1] }
    ])
    assert.deepStrictEqual(
      places.map(({ id, slot }) => `${id.slice(-1)}${slot}`),
      ["c0", "c1", "a0", "b5", "a1"]
    )
  })
})
