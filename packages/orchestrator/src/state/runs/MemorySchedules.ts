import { type Id, RunTransition, Schedule } from "@remote-agent/domain"
import { DateTime, Effect } from "effect"
import { insert, known, step } from "../memory/MemoryTables.ts"
import type { RunStore } from "./RunStore.ts"
import { decided, ScheduleStore, type Tick } from "./ScheduleStore.ts"

/** Schedules in memory. `runs` are those of the same state. */
export const make = (runs: RunStore["Service"]): ScheduleStore["Service"] => {
  const schedules = new Map<Id.ScheduleId, Schedule.Schedule>()
  const ticks = new Map<Id.ScheduleId, Map<number, Schedule.TickRecord>>()

  const ticksOf = (id: Id.ScheduleId) => {
    const all = ticks.get(id) ?? new Map<number, Schedule.TickRecord>()
    ticks.set(id, all)
    return all
  }

  const addTick = Effect.fnUntraced(function* (schedule: Schedule.Schedule, { outcome, run, tick }: Tick) {
    const all = ticksOf(schedule.id)
    const millis = DateTime.toEpochMillis(tick)
    if (all.has(millis)) return
    all.set(
      millis,
      new Schedule.TickRecord({ tick, outcome, ...(run === undefined ? {} : { runId: run.id }) })
    )
    if (run === undefined) return
    yield* runs.create(run)
    yield* runs.add(run.id, 0, schedule.template.questions)
    yield* runs.change(run.id, RunTransition.seal(run.createdAt))
  })

  return ScheduleStore.of({
    create: (schedule) => step("createSchedule", () => insert(schedules, schedule.id, schedule)),
    get: (id) => step("getSchedule", () => known(schedules, id)),
    list: Effect.sync(() => [...schedules.values()]),
    change: (id, change) =>
      Effect.map(
        step("changeSchedule", () => known(schedules, id)),
        (was) => {
          const next = change(was)
          schedules.set(id, next)
          return next
        }
      ),
    remove: (id) =>
      Effect.sync(() => {
        schedules.delete(id)
        ticks.delete(id)
      }),
    record: Effect.fnUntraced(function* (read, all, next) {
      const now = schedules.get(read.id)
      if (now === undefined || now !== read) return false
      schedules.set(read.id, decided(now, next))
      yield* Effect.forEach(all, (one) => addTick(now, one), { discard: true })
      return true
    }),
    history: (id, limit) =>
      Effect.sync(() =>
        [...ticksOf(id).values()]
          .toSorted((a, b) => DateTime.toEpochMillis(b.tick) - DateTime.toEpochMillis(a.tick))
          .slice(0, limit)
      ),
    isRunning: (id) =>
      Effect.map(
        Effect.forEach(
          [...ticksOf(id).values()].flatMap(({ runId }) => runId ?? []),
          (runId) =>
            Effect.orElseSucceed(
              Effect.map(runs.get(runId), ({ status }) => status),
              () => "completed"
            )
        ),
        (statuses) => statuses.includes("running")
      )
  })
}
