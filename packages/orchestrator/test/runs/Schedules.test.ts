import { assert, describe, it } from "@effect/vitest"
import { Id, Run, Schedule } from "@remote-agent/domain"
import { RunStore, Schedules, ScheduleStore, SqlStateStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"

const created = Effect.fnUntraced(function* (at: string, fields: Partial<Schedule.Schedule> = {}) {
  const now = DateTime.makeUnsafe(at)
  yield* TestClock.setTime(DateTime.toEpochMillis(now))
  const schedule = new Schedule.Schedule({
    id: yield* Id.nextScheduleId,
    cron: "0 7 * * *",
    zone: "America/New_York",
    missed: "one",
    overlap: "all",
    status: "active",
    template: new Schedule.Template({
      profile: "tiny",
      size: 1,
      priority: 0,
      retry: Run.noRetries,
      questions: ["why?"]
    }),
    decidedUntil: now,
    createdAt: now,
    ...fields
  })
  yield* (yield* ScheduleStore.ScheduleStore).create(schedule)
  return schedule.id
})

/** The times of the runs that were started. */
const started = Effect.gen(function* () {
  const runs = yield* (yield* RunStore.RunStore).list({ limit: 1000 })
  return runs
    .map(({ schedule }) => DateTime.formatIso(schedule!.tick).slice(0, 16))
    .toSorted((a, b) => (a < b ? -1 : 1))
})

const provided = Effect.provide(
  // The clock of a test goes from one look to the next: fewer looks, less time.
  Layer.merge(SqlStateStore.layerSqliteMemory, Layer.succeed(Schedules.Longest, 3_600_000))
)

describe("Schedules", () => {
  it.effect(
    "start one run a day at the local time, by two processes, over both changes of daylight saving",
    () =>
      Effect.gen(function* () {
        for (const [from, expected] of [
          ["2026-03-07T11:30:00Z", ["2026-03-07T12:00", "2026-03-08T11:00"]],
          ["2026-10-31T10:30:00Z", ["2026-10-31T11:00", "2026-11-01T12:00"]]
        ] as const) {
          const id = yield* created(from)
          const watchers = yield* Effect.forEach([0, 1], () =>
            Effect.flatMap(Schedules.make, ({ watch }) => Effect.forkChild(watch))
          )
          yield* TestClock.adjust("26 hours")
          yield* Effect.forEach(watchers, Fiber.interrupt)
          assert.includeMembers([...(yield* started)], [...expected])
          const history = yield* (yield* ScheduleStore.ScheduleStore).history(id, 100)
          assert.lengthOf(history, 2)
          yield* (yield* ScheduleStore.ScheduleStore).remove(id)
        }
        assert.lengthOf(yield* started, 4)
      }).pipe(provided)
  )

  it.effect("make up for an outage of three days with one run, and show what was missed", () =>
    Effect.gen(function* () {
      const id = yield* created("2026-06-01T00:00:00Z")
      const schedules = yield* Schedules.make
      yield* TestClock.adjust("74 hours")
      yield* schedules.tick
      yield* schedules.tick
      assert.deepStrictEqual(yield* started, ["2026-06-03T11:00"])
      const history = yield* (yield* ScheduleStore.ScheduleStore).history(id, 10)
      assert.deepStrictEqual(
        history.map(({ outcome }) => outcome),
        ["started", "missed", "missed"]
      )
    }).pipe(provided)
  )

  it.effect("run now beside their times", () =>
    Effect.gen(function* () {
      const id = yield* created("2026-06-01T00:00:00Z")
      const schedules = yield* Schedules.make
      const run = yield* schedules.runNow(id)
      assert.deepStrictEqual([run.schedule?.id, run.status], [id, "running"])
      yield* TestClock.adjust("12 hours")
      yield* schedules.tick
      const history = yield* (yield* ScheduleStore.ScheduleStore).history(id, 10)
      assert.deepStrictEqual(
        history.map(({ outcome }) => outcome),
        ["started", "manual"]
      )
    }).pipe(provided)
  )
})
