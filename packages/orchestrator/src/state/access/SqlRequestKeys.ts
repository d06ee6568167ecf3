import { Duration, Effect, Schema } from "effect"
import { type Database, plain } from "../sql/database/SqlDatabase.ts"
import { type Claim, RequestKeys, retention } from "./RequestKeys.ts"

const Row = Schema.Struct({
  operation: Schema.String,
  record_id: Schema.String,
  state: Schema.Literals(["claimed", "done"])
})

const millis = (time: Duration.Duration) => Math.ceil(Duration.toMillis(time))

/** The keys of requests in a database. */
export const make = ({ now, reader, run, sql }: Database): RequestKeys["Service"] => {
  const rows = reader(Row)
  const columns = sql.literal("operation, record_id, state")

  return RequestKeys.of({
    claim: Effect.fn("RequestKeys.claim")(function* (key, { expiresIn, operation, recordId }) {
      const id = plain(key)
      const claimed = Effect.gen(function* () {
        const time = yield* now
        yield* sql`DELETE FROM remote_request_keys WHERE created_ms <= ${time} - ${millis(retention)}`
        return yield* sql`
          INSERT INTO remote_request_keys (id, operation, record_id, state, created_ms, until_ms)
          VALUES (${id}, ${operation}, ${recordId}, 'claimed', ${time}, ${time} + ${millis(expiresIn)})
          ON CONFLICT (id) DO UPDATE SET until_ms = excluded.until_ms
          WHERE remote_request_keys.state = 'claimed' AND remote_request_keys.until_ms <= ${time}
            AND remote_request_keys.operation = excluded.operation
          RETURNING ${columns}`.pipe(rows("claimRequestKey"))
      })
      const found = sql`SELECT ${columns} FROM remote_request_keys WHERE id = ${id}`.pipe(
        rows("claimRequestKey")
      )
      for (;;) {
        const [mine] = yield* run("claimRequestKey")(claimed)
        if (mine !== undefined) {
          const claim: Claim = {
            _tag: "Claimed",
            recordId: mine.record_id,
            again: mine.record_id !== recordId
          }
          return claim
        }
        const [other] = yield* run("claimRequestKey")(found)
        if (other !== undefined) {
          const claim: Claim =
            other.state === "done"
              ? { _tag: "Done", operation: other.operation, recordId: other.record_id }
              : { _tag: "Busy", operation: other.operation }
          return claim
        }
        // It was released in between: it is free.
      }
    }),
    renew: Effect.fn("RequestKeys.renew")(function* (key, expiresIn) {
      const time = yield* now
      yield* run("renewRequestKey")(
        sql`UPDATE remote_request_keys SET until_ms = ${time} + ${millis(expiresIn)} WHERE id = ${plain(key)}`
      )
    }),
    complete: Effect.fn("RequestKeys.complete")((key) =>
      sql`UPDATE remote_request_keys SET state = 'done' WHERE id = ${plain(key)}`.pipe(
        Effect.asVoid,
        run("completeRequestKey")
      )
    ),
    release: Effect.fn("RequestKeys.release")((key) =>
      sql`DELETE FROM remote_request_keys WHERE id = ${plain(key)}`.pipe(
        Effect.asVoid,
        run("releaseRequestKey")
      )
    )
  })
}
