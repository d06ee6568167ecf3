import { Clock, Effect, Schema } from "effect"
import { type Database, Whole } from "../sql/database/SqlDatabase.ts"
import { forgetAfter, WorkerStore } from "./WorkerStore.ts"

const Row = Schema.Struct({
  name: Schema.String,
  started_ms: Whole,
  seen_ms: Whole,
  slots: Whole,
  draining: Whole
})

/** The workers of a database. */
export const make = ({ reader, run, sql }: Database): WorkerStore["Service"] => {
  const workers = reader(Row)
  const columns = sql.literal("name, started_ms, seen_ms, slots, draining")
  return WorkerStore.of({
    beat: Effect.fn("WorkerStore.beat")((name, slots) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        sql`
          INSERT INTO remote_workers (name, started_ms, seen_ms, slots, draining)
          VALUES (${name}, ${now}, ${now}, ${slots}, 0)
          ON CONFLICT (name) DO UPDATE SET seen_ms = excluded.seen_ms, slots = excluded.slots
          RETURNING name, started_ms, seen_ms, slots, draining`.pipe(
          workers("beatWorker"),
          Effect.map(([row]) => row?.draining === 1),
          run("beatWorker")
        )
      )
    ),
    drain: Effect.fn("WorkerStore.drain")((name) =>
      sql`UPDATE remote_workers SET draining = 1 WHERE name = ${name} RETURNING name`.pipe(
        Effect.map((rows) => rows.length > 0),
        run("drainWorker")
      )
    ),
    leave: Effect.fn("WorkerStore.leave")((name) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        // Workers that were killed leave no other way.
        sql`DELETE FROM remote_workers WHERE name = ${name} OR seen_ms < ${now - 60 * forgetAfter}`.pipe(
          Effect.asVoid,
          run("leaveWorker")
        )
      )
    ),
    list: Effect.flatMap(Clock.currentTimeMillis, (now) =>
      sql`SELECT ${columns} FROM remote_workers WHERE seen_ms > ${now - forgetAfter} ORDER BY name`.pipe(
        workers("listWorkers"),
        Effect.map((rows) =>
          rows.map(({ draining, name, seen_ms: seenAt, slots, started_ms: startedAt }) => ({
            name,
            startedAt,
            seenAt,
            slots,
            draining: draining === 1
          }))
        ),
        run("listWorkers")
      )
    )
  })
}
