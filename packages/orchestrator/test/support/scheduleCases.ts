import { assert } from "@effect/vitest"
import { Id, Run, Schedule, TokenUsage } from "@remote-agent/domain"
import { RunStore, ScheduleStore, SharedLimits } from "@remote-agent/orchestrator"
import { Clock, DateTime, Effect } from "effect"
import { Passage, reasonOf } from "./stateStoreCases.ts"
import type { Case } from "./stateStoreCases.ts"

const newSchedule = Effect.gen(function* () {
  const now = yield* DateTime.now
  return new Schedule.Schedule({
    id: yield* Id.nextScheduleId,
    name: "Zoë's \u0000 morning",
    cron: "0 7 * * *",
    zone: "America/New_York",
    missed: "one",
    overlap: "one",
    status: "active",
    template: new Schedule.Template({
      profile: "tiny",
      size: 1,
      priority: 0,
      retry: Run.noRetries,
      questions: ["why?", "how?"]
    }),
    decidedUntil: now,
    createdAt: now
  })
})

const newRun = (schedule: Schedule.Schedule, tick: DateTime.Utc) =>
  Effect.map(
    Id.nextRunId,
    (id) =>
      new Run.Run({
        id,
        status: "running",
        profile: "tiny",
        size: 1,
        priority: 0,
        retry: Run.noRetries,
        schedule: { id: schedule.id, tick },
        sealed: false,
        usage: TokenUsage.zero,
        failedBefore: 0,
        launchFailures: 0,
        createdAt: tick
      })
  )

/** What every store of schedules and shared limits does. */
export const cases: ReadonlyArray<Case> = [
  {
    name: "gives back a schedule as it was created and changed, and forgets it",
    run: Effect.gen(function* () {
      const store = yield* ScheduleStore.ScheduleStore
      const schedule = yield* newSchedule
      yield* store.create(schedule)
      assert.strictEqual((yield* reasonOf(store.create(schedule)))._tag, "AlreadyExists")
      assert.deepStrictEqual(yield* store.get(schedule.id), schedule)
      const paused = yield* store.change(
        schedule.id,
        (one) => new Schedule.Schedule({ ...one, status: "paused" })
      )
      assert.deepStrictEqual(yield* store.list, [paused])
      yield* store.remove(schedule.id)
      yield* store.remove(schedule.id)
      assert.strictEqual((yield* reasonOf(store.get(schedule.id)))._tag, "NotFound")
    })
  },
  {
    name: "starts one run for a time of a schedule, however many processes decide it",
    run: Effect.gen(function* () {
      const [store, runs] = [yield* ScheduleStore.ScheduleStore, yield* RunStore.RunStore]
      const schedule = yield* newSchedule
      yield* store.create(schedule)
      const known = yield* store.get(schedule.id)
      const tick = DateTime.add(schedule.decidedUntil, { hours: 1 })
      const recorded = yield* Effect.forEach(
        Array.from({ length: 6 }),
        () =>
          Effect.flatMap(newRun(schedule, tick), (run) =>
            store.record(known, [{ tick, outcome: "started", run }], {
              waiting: undefined,
              decidedUntil: tick
            })
          ),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(recorded.filter(Boolean).length, 1)
      const [run, ...others] = yield* runs.list({ limit: 9 })
      assert.lengthOf(others, 0)
      assert.deepStrictEqual([run?.counts.total, run?.sealed, run?.schedule?.tick], [2, true, tick])
      assert.deepStrictEqual(yield* store.history(schedule.id, 9), [
        new Schedule.TickRecord({ tick, outcome: "started", runId: run!.id })
      ])
      assert.isTrue(yield* store.isRunning(schedule.id))
      assert.deepStrictEqual((yield* store.get(schedule.id)).decidedUntil, tick)
    })
  },
  {
    name: "counts queries towards the limits of their keys, all or none, until they end",
    run: Effect.gen(function* () {
      const [limits, { pass }] = [yield* SharedLimits.SharedLimits, yield* Passage]
      const now = yield* Clock.currentTimeMillis
      const one = { key: "ONE", limit: { concurrent: 1 } } as SharedLimits.Ask
      const two = { key: "TWO", limit: { requests: 2 } } as SharedLimits.Ask
      const ask = (id: string, ...asks: ReadonlyArray<SharedLimits.Ask>) =>
        limits.acquire(asks, { id, until: now + 3_600_000 })
      assert.strictEqual(yield* ask("a", two, one), 0)
      assert.strictEqual(yield* ask("a", one, two), 0)
      assert.isAbove(yield* ask("b", one, two), now)
      yield* limits.release("a", 10)
      yield* limits.release("unknown", 10)
      assert.strictEqual(yield* ask("b", one, two), 0)
      yield* limits.release("b", 10)
      assert.isAbove(yield* ask("c", two), now)
      yield* pass("2 minutes")
      assert.strictEqual(yield* ask("c", two), 0)
      yield* limits.block(["ONE", "TWO"], now + 600_000)
      yield* limits.block(["ONE"], now + 1000)
      assert.strictEqual(yield* ask("d", one), now + 600_000)
      yield* pass("10 minutes")
      assert.strictEqual(yield* ask("d", one), 0)
    })
  }
]
