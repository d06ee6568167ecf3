import { type Id, LaunchIntent } from "@remote-agent/domain"
import { DateTime, Effect, Option, Schema, Stream } from "effect"
import { added, type Database, fullPage, pageSize } from "./database/SqlDatabase.ts"
import { LaunchIntents } from "../LaunchIntents.ts"

const IntentText = Schema.fromJsonString(Schema.toCodecJson(LaunchIntent.LaunchIntent))

const IntentRow = Schema.Struct({ body: IntentText })

const encodeIntent = (intent: LaunchIntent.LaunchIntent) =>
  Effect.orDie(Schema.encodeEffect(IntentText)(intent))

/** The launch intents in a database. */
export const make = ({ reader, run, sql }: Database): LaunchIntents["Service"] => {
  const intents = reader(IntentRow)
  return LaunchIntents.of({
    open: Effect.fn("LaunchIntents.open")(function* (intent) {
      const { attemptId: id } = intent
      const row = { id, body: yield* encodeIntent(intent) }
      yield* sql`INSERT INTO remote_intents ${sql.insert(row)} ON CONFLICT (id) DO NOTHING RETURNING id`.pipe(
        Effect.flatMap(added("openIntent", id)),
        run("openIntent")
      )
    }),
    renew: Effect.fn("LaunchIntents.renew")(function* (attemptId: Id.AttemptId) {
      const at = yield* DateTime.now
      const rows = yield* sql`SELECT body FROM remote_intents WHERE id = ${attemptId}`.pipe(
        intents("renewIntent"),
        run("renewIntent")
      )
      if (rows[0] === undefined) return
      // Only the process of the launch changes an intent. One that is closed in between stays closed.
      const body = yield* encodeIntent(new LaunchIntent.LaunchIntent({ ...rows[0].body, at }))
      yield* run("renewIntent")(sql`UPDATE remote_intents SET body = ${body} WHERE id = ${attemptId}`)
    }),
    close: Effect.fn("LaunchIntents.close")((attemptId: Id.AttemptId) =>
      sql`DELETE FROM remote_intents WHERE id = ${attemptId}`.pipe(Effect.asVoid, run("closeIntent"))
    ),
    list: Stream.paginate("", (after) =>
      sql`SELECT body FROM remote_intents WHERE id > ${after} ORDER BY id LIMIT ${pageSize}`.pipe(
        intents("listIntents"),
        Effect.map((rows) => {
          const page = rows.map(({ body }) => body)
          return [page, Option.map(fullPage(page), ({ attemptId }): string => attemptId)] as const
        }),
        run("listIntents")
      )
    )
  })
}
