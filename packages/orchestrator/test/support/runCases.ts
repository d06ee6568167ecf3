import { assert } from "@effect/vitest"
import { Id, Run, RunTransition, TokenUsage } from "@remote-agent/domain"
import { Leases, RunStore } from "@remote-agent/orchestrator"
import { DateTime, Duration, Effect, Option } from "effect"
import { type Case, Passage, reasonOf } from "./stateStoreCases.ts"

const newRun = Effect.fnUntraced(function* (spec: Partial<Run.Run> = {}) {
  return new Run.Run({
    id: yield* Id.nextRunId,
    status: "running",
    profile: "tiny",
    size: 2,
    priority: 0,
    retry: Run.noRetries,
    sealed: false,
    usage: TokenUsage.zero,
    failedBefore: 0,
    launchFailures: 0,
    createdAt: yield* DateTime.now,
    ...spec
  })
})

const attemptOf = Effect.gen(function* () {
  return { agentId: yield* Id.nextAgentId, queryId: yield* Id.nextQueryId }
})

const answered = (answer: string): RunTransition.AttemptEnd => ({
  _tag: "Answered",
  outcome: "ok",
  answer,
  usage: new TokenUsage.TokenUsage({ inputTokens: 1, outputTokens: 2, wallMillis: 3 })
})

const leaseOf = Effect.fnUntraced(function* (id: Id.RunId, slot: number, holder = "me") {
  const leases = yield* Leases.Leases
  return yield* leases.acquire(RunStore.slotResource(id, slot), { holder, ttl: "30 seconds" })
})

/** A run of these questions. */
const runOf = Effect.fnUntraced(function* (questions: ReadonlyArray<string>, spec: Partial<Run.Run> = {}) {
  const store = yield* RunStore.RunStore
  const run = yield* newRun(spec)
  yield* store.create(run)
  yield* store.add(run.id, 0, questions)
  const at = yield* DateTime.now
  return yield* store.change(run.id, RunTransition.seal(at))
})

const texts = (page: ReadonlyArray<Run.Question>) => page.map(({ text }) => text)

const ids = (runs: ReadonlyArray<Run.Run>) => runs.map(({ id }) => id)

/** What every store of runs does. */
export const cases: ReadonlyArray<Case> = [
  {
    name: "gives back a run and its questions as they were added, and adds a batch once",
    run: Effect.gen(function* () {
      const store = yield* RunStore.RunStore
      const run = yield* newRun({ name: "Zoë's \u0000 run", stopAfter: 3, timeout: Duration.seconds(9) })
      yield* store.create(run)
      assert.deepStrictEqual(yield* store.get(run.id), run)
      assert.strictEqual((yield* reasonOf(store.create(run)))._tag, "AlreadyExists")
      const all = Array.from({ length: 230 }, (_, index) => `question ${index} \u0000 é\n`)
      yield* store.add(run.id, 0, all)
      assert.strictEqual((yield* reasonOf(store.add(run.id, 0, all)))._tag, "RevisionConflict")
      const after = yield* store.add(run.id, 230, ["last"])
      assert.deepStrictEqual([after.counts.total, after.counts.waiting], [231, 231])
      const read = yield* store.questions(run.id, 228, 10)
      assert.deepStrictEqual(
        read.map(({ index, state, text }) => [index, state, text]),
        [
          [228, "waiting", all[228]],
          [229, "waiting", all[229]],
          [230, "waiting", "last"]
        ]
      )
      yield* store.change(run.id, RunTransition.seal(yield* DateTime.now))
      assert.strictEqual((yield* reasonOf(store.add(run.id, 231, ["more"])))._tag, "RevisionConflict")
      const missing = yield* Id.nextRunId
      assert.strictEqual((yield* reasonOf(store.get(missing)))._tag, "NotFound")
    })
  },
  {
    name: "gives each question to one slot, in order, and one result for each",
    run: Effect.gen(function* () {
      const store = yield* RunStore.RunStore
      const { id } = yield* runOf(["a", "b", "c"])
      const [first, second] = [yield* leaseOf(id, 0), yield* leaseOf(id, 1)]
      const attempt = yield* attemptOf
      yield* store.setAgent(id, 0, first, Option.some(attempt.agentId))
      const a = Option.getOrThrow(yield* store.claim(id, 0, first, attempt))
      const b = Option.getOrThrow(yield* store.claim(id, 1, second))
      assert.deepStrictEqual([a.text, a.state, a.queryId], ["a", "started", attempt.queryId])
      assert.deepStrictEqual([b.text, b.state, b.queryId], ["b", "assigned", undefined])
      const slot = yield* store.slot(id, 0)
      assert.deepStrictEqual(slot, {
        slot: 0,
        agentId: Option.some(attempt.agentId),
        question: Option.some(a)
      })
      assert.deepStrictEqual(yield* store.slots(id), [0, 1])
      const other = yield* attemptOf
      const startedB = Option.getOrThrow(yield* store.start(id, 1, second, other))
      assert.deepStrictEqual([startedB.state, startedB.agentId], ["started", other.agentId])
      yield* store.finish(id, 1, second, answered("B"))
      assert.deepStrictEqual(yield* store.finish(id, 1, second, answered("again")), Option.none())
      yield* store.finish(id, 0, first, answered("A"))
      assert.deepStrictEqual(
        (yield* store.claim(id, 0, first)).pipe(Option.map(({ text }) => text)),
        Option.some("c")
      )
      const { counts, status, usage } = yield* store.get(id)
      assert.deepStrictEqual([counts.ok, counts.running, counts.waiting, status], [2, 1, 0, "running"])
      assert.strictEqual(usage.outputTokens, 4)
      yield* store.finish(id, 0, first, answered("C"))
      assert.strictEqual((yield* store.get(id)).status, "completed")
    })
  },
  {
    name: "lists results in the order of the input or of their arrival, each once",
    run: Effect.gen(function* () {
      const store = yield* RunStore.RunStore
      const { id } = yield* runOf(["a", "b", "c"])
      const leases = [yield* leaseOf(id, 0), yield* leaseOf(id, 1), yield* leaseOf(id, 2)]
      for (const [slot, lease] of leases.entries()) yield* store.claim(id, slot, lease, yield* attemptOf)
      yield* store.finish(id, 1, leases[1]!, answered("B"))
      assert.deepStrictEqual(texts(yield* store.results(id, { order: "input", limit: 9 })), [])
      assert.deepStrictEqual(texts(yield* store.results(id, { order: "completion", limit: 9 })), ["b"])
      yield* store.finish(id, 0, leases[0]!, answered("A"))
      yield* store.finish(id, 2, leases[2]!, answered("C"))
      assert.deepStrictEqual(texts(yield* store.results(id, { order: "input", limit: 2 })), ["a", "b"])
      assert.deepStrictEqual(texts(yield* store.results(id, { order: "input", after: 1, limit: 2 })), ["c"])
      const all = yield* store.results(id, { order: "completion", limit: 9 })
      assert.deepStrictEqual(
        all.map(({ answer, seq }) => [seq, answer]),
        [
          [1, "B"],
          [2, "A"],
          [3, "C"]
        ]
      )
      assert.deepStrictEqual(texts(yield* store.results(id, { order: "completion", after: 2, limit: 9 })), [
        "c"
      ])
    })
  },
  {
    name: "refuses every write of a process whose slot was taken over, and changes nothing",
    run: Effect.gen(function* () {
      const [store, { pass }] = [yield* RunStore.RunStore, yield* Passage]
      const { id } = yield* runOf(["a", "b"])
      const mine = yield* leaseOf(id, 0, "me")
      const attempt = yield* attemptOf
      yield* store.claim(id, 0, mine, attempt)
      yield* pass("1 minute")
      const yours = yield* leaseOf(id, 0, "you")
      const before = [yield* store.get(id), yield* store.slot(id, 0)]
      for (const write of [
        store.claim(id, 0, mine),
        store.start(id, 0, mine, attempt),
        store.finish(id, 0, mine, answered("late")),
        store.setAgent(id, 0, mine, Option.some(attempt.agentId))
      ]) {
        assert.strictEqual((yield* reasonOf<unknown, never>(write))._tag, "Fenced")
      }
      assert.deepStrictEqual([yield* store.get(id), yield* store.slot(id, 0)], before)
      const changed = Option.getOrThrow(yield* store.finish(id, 0, yours, answered("A")))
      assert.strictEqual(changed.question.answer, "A")
    })
  },
  {
    name: "hands out no question early, and none of a run that is not running",
    run: Effect.gen(function* () {
      const [store, { pass }] = [yield* RunStore.RunStore, yield* Passage]
      const retry = new Run.RetryPolicy({
        attempts: 2,
        outcomes: ["crash"],
        delay: Duration.seconds(10),
        maxDelay: Duration.seconds(10)
      })
      const { id } = yield* runOf(["a"], { retry })
      const lease = yield* leaseOf(id, 0)
      yield* store.claim(id, 0, lease, yield* attemptOf)
      yield* store.finish(id, 0, lease, { ...answered(""), outcome: "crash" } as RunTransition.AttemptEnd)
      assert.deepStrictEqual(yield* store.claim(id, 0, lease), Option.none())
      yield* pass("11 seconds")
      yield* store.change(id, RunTransition.pause)
      assert.deepStrictEqual(yield* store.claim(id, 0, lease), Option.none())
      assert.deepStrictEqual(yield* store.open, [])
      yield* store.change(id, RunTransition.resume(yield* DateTime.now))
      const again = Option.getOrThrow(yield* store.claim(id, 0, lease))
      assert.deepStrictEqual([again.text, again.attempts, again.queryId], ["a", 1, undefined])
    })
  },
  {
    name: "lists the runs that need work by priority, and all runs from the newest on",
    run: Effect.gen(function* () {
      const store = yield* RunStore.RunStore
      const low = yield* runOf(["a"], { priority: -1 })
      const high = yield* runOf(["b"], { priority: 5 })
      const over = yield* runOf(["c"])
      yield* store.change(over.id, RunTransition.cancel(yield* DateTime.now))
      assert.deepStrictEqual(
        (yield* store.open).map(({ id }) => id),
        [high.id, low.id]
      )
      const lease = yield* leaseOf(over.id, 0)
      yield* store.setAgent(over.id, 0, lease, Option.some((yield* attemptOf).agentId))
      assert.include(
        (yield* store.open).map(({ id }) => id),
        over.id
      )
      yield* store.setAgent(over.id, 0, lease, Option.none())
      assert.lengthOf(yield* store.open, 2)
      const newest = [low.id, high.id, over.id].toSorted().toReversed()
      assert.deepStrictEqual(ids(yield* store.list({ limit: 2 })), newest.slice(0, 2))
      assert.deepStrictEqual(ids(yield* store.list({ limit: 2, before: newest[1] })), newest.slice(2))
      assert.deepStrictEqual(ids(yield* store.list({ status: ["cancelled"], limit: 9 })), [over.id])
      yield* store.remove(over.id)
      yield* store.remove(over.id)
      assert.deepStrictEqual(ids(yield* store.list({ status: ["cancelled"], limit: 9 })), [])
    })
  },
  {
    name: "gives a question to one of many slots that claim at once",
    run: Effect.gen(function* () {
      const store = yield* RunStore.RunStore
      const { id } = yield* runOf(
        Array.from({ length: 8 }, (_, index) => `q${index}`),
        { size: 12 }
      )
      const claimed = yield* Effect.forEach(
        Array.from({ length: 12 }).keys(),
        (slot) => Effect.flatMap(leaseOf(id, slot, `h${slot}`), (lease) => store.claim(id, slot, lease)),
        { concurrency: "unbounded" }
      )
      const given = claimed.flatMap((one) => Option.toArray(Option.map(one, ({ text }) => text)))
      assert.deepStrictEqual(
        given.toSorted(),
        Array.from({ length: 8 }, (_, index) => `q${index}`)
      )
      const { counts } = yield* store.get(id)
      assert.deepStrictEqual([counts.running, counts.waiting], [8, 0])
    })
  }
]
