import { Id, RunTransition, Schedule } from "@remote-agent/domain"
import { DateTime, Effect, Schema } from "effect"
import { added, type Database, first, Whole } from "../sql/database/SqlDatabase.ts"
import type { RunStore } from "./RunStore.ts"
import { decided, ScheduleStore, type Tick } from "./ScheduleStore.ts"

const Text = Schema.fromJsonString(Schema.toCodecJson(Schedule.Schedule))
const Row = Schema.Struct({ body: Text })
const TickRow = Schema.Struct({
  tick_ms: Whole,
  outcome: Schedule.TickRecord.fields.outcome,
  run_id: Schema.NullOr(Id.RunId)
})

const encode = (schedule: Schedule.Schedule) => Effect.orDie(Schema.encodeEffect(Text)(schedule))

const toRecord = ({ outcome, run_id, tick_ms }: typeof TickRow.Type) =>
  new Schedule.TickRecord({
    tick: DateTime.makeUnsafe(tick_ms),
    outcome,
    ...(run_id === null ? {} : { runId: run_id })
  })

const same = (a: DateTime.Utc | undefined, b: DateTime.Utc | undefined) =>
  a === b || (a !== undefined && b !== undefined && DateTime.Equivalence(a, b))

/** The schedules of a database. `runs` are those of the same database. */
export const make = (
  { atOnce, reader, run, sql }: Database,
  runs: RunStore["Service"]
): ScheduleStore["Service"] => {
  const [schedules, ticks] = [reader(Row), reader(TickRow)]
  const locked = sql.onDialectOrElse({ pg: () => sql.literal("FOR UPDATE"), orElse: () => sql.literal("") })

  const read = (operation: string, id: Id.ScheduleId, lock = sql.literal("")) =>
    sql`SELECT body FROM remote_schedules WHERE id = ${id} ${lock}`.pipe(
      schedules(operation),
      Effect.flatMap(first(operation, id)),
      Effect.map(({ body }) => body)
    )

  const write = Effect.fnUntraced(function* (schedule: Schedule.Schedule) {
    yield* sql`UPDATE remote_schedules SET body = ${yield* encode(schedule)} WHERE id = ${schedule.id}`
  })

  const create = Effect.fn("ScheduleStore.create")(function* (schedule: Schedule.Schedule) {
    const row = { id: schedule.id, body: yield* encode(schedule) }
    yield* sql`INSERT INTO remote_schedules ${sql.insert(row)} ON CONFLICT (id) DO NOTHING RETURNING id`.pipe(
      Effect.flatMap(added("createSchedule", schedule.id)),
      run("createSchedule")
    )
  })

  /** Records a time unless it is recorded, and its run with it. */
  const addTick = Effect.fnUntraced(function* (schedule: Schedule.Schedule, one: Tick) {
    const row = {
      schedule_id: schedule.id,
      tick_ms: DateTime.toEpochMillis(one.tick),
      outcome: one.outcome,
      run_id: one.run?.id ?? null
    }
    const inserted = yield* sql`
      INSERT INTO remote_schedule_ticks ${sql.insert(row)}
      ON CONFLICT (schedule_id, tick_ms) DO NOTHING RETURNING tick_ms`
    if (inserted.length === 0 || one.run === undefined) return
    yield* runs.create(one.run)
    yield* runs.add(one.run.id, 0, schedule.template.questions)
    yield* runs.change(one.run.id, RunTransition.seal(one.run.createdAt))
  })

  return ScheduleStore.of({
    create,
    get: Effect.fn("ScheduleStore.get")((id) => run("getSchedule")(read("getSchedule", id))),
    list: sql`SELECT body FROM remote_schedules ORDER BY id`.pipe(
      schedules("listSchedules"),
      Effect.map((rows) => rows.map(({ body }) => body)),
      run("listSchedules")
    ),
    change: Effect.fn("ScheduleStore.change")((id, change) =>
      Effect.flatMap(read("changeSchedule", id, locked), (was) => {
        const next = change(was)
        return Effect.as(write(next), next)
      }).pipe(atOnce, run("changeSchedule"))
    ),
    remove: Effect.fn("ScheduleStore.remove")((id) =>
      Effect.andThen(
        sql`DELETE FROM remote_schedule_ticks WHERE schedule_id = ${id}`,
        sql`DELETE FROM remote_schedules WHERE id = ${id}`
      ).pipe(Effect.asVoid, atOnce, run("removeSchedule"))
    ),
    record: Effect.fn("ScheduleStore.record")((known, all, next) =>
      Effect.gen(function* () {
        const now = yield* read("recordTicks", known.id, locked)
        if (!same(now.decidedUntil, known.decidedUntil) || !same(now.waiting, known.waiting)) return false
        yield* Effect.forEach(all, (one) => addTick(now, one), { discard: true })
        yield* write(decided(now, next))
        return true
      }).pipe(atOnce, run("recordTicks"))
    ),
    history: Effect.fn("ScheduleStore.history")((id, limit) =>
      sql`
        SELECT tick_ms, outcome, run_id FROM remote_schedule_ticks
        WHERE schedule_id = ${id} ORDER BY tick_ms DESC LIMIT ${limit}`.pipe(
        ticks("listTicks"),
        Effect.map((rows) => rows.map(toRecord)),
        run("listTicks")
      )
    ),
    isRunning: Effect.fn("ScheduleStore.isRunning")((id) =>
      sql`
        SELECT tick_ms FROM remote_schedule_ticks WHERE schedule_id = ${id} AND run_id IN (
          SELECT id FROM remote_runs WHERE status = 'running') LIMIT 1`.pipe(
        Effect.map((rows) => rows.length > 0),
        run("isRunning")
      )
    )
  })
}
