import { Id, StateStoreError } from "@remote-agent/domain"
import { Deliveries } from "@remote-agent/github"
import { DateTime, Duration, Effect, Schema } from "effect"
import { type Database, failed, plain, Whole } from "./database/SqlDatabase.ts"

const ClaimRow = Schema.Struct({
  token: Schema.String,
  attempt: Whole,
  state: Schema.Literals(["processing", "processed", "failed"]),
  until_ms: Whole
})

const millis = (time: Duration.Duration) => Math.ceil(Duration.toMillis(time))

/**
 * The claims on deliveries in a database. Every claim removes the claims that have not changed for longer than
 * `retention`.
 */
export const make = (
  { now, reader, run, sql }: Database,
  retention: Duration.Duration = Deliveries.retention
): Deliveries.Deliveries["Service"] => {
  const claims = reader(ClaimRow)
  const columns = sql.literal("token, attempt, state, until_ms")

  /** Changes a claim. Fails with `ClaimLost` when another holder has it, or when it ended in another state. */
  const settle = (
    operation: string,
    id: string,
    token: string,
    change: {
      readonly state: (typeof ClaimRow.Type)["state"]
      readonly ttl?: number
      readonly reason?: string
    }
  ) =>
    Effect.gen(function* () {
      const time = yield* now
      const { reason, state, ttl = 0 } = change
      const same = state === "processing" ? sql`state = 'processing'` : sql`state IN ('processing', ${state})`
      const rows = yield* sql`
        UPDATE remote_deliveries SET state = ${state}, until_ms = ${time} + ${ttl}, changed_ms = ${time},
        reason = ${reason === undefined ? null : plain(reason)}
        WHERE id = ${plain(id)} AND token = ${token} AND ${same} RETURNING id`
      if (rows.length === 0) return yield* failed(operation, new StateStoreError.ClaimLost({ id }))
    }).pipe(run(operation))

  const take = Effect.fnUntraced(function* (id: string, token: string, ttl: number) {
    const time = yield* now
    yield* sql`
      DELETE FROM remote_deliveries WHERE changed_ms <= ${time} - ${millis(retention)} AND until_ms <= ${time}`
    return yield* sql`
      INSERT INTO remote_deliveries (id, token, attempt, state, until_ms, changed_ms)
      VALUES (${plain(id)}, ${token}, 1, 'processing', ${time} + ${ttl}, ${time})
      ON CONFLICT (id) DO UPDATE SET
        token = excluded.token, attempt = remote_deliveries.attempt + 1, state = excluded.state,
        until_ms = excluded.until_ms, changed_ms = excluded.changed_ms, reason = NULL
      WHERE remote_deliveries.state = 'failed'
        OR (remote_deliveries.state = 'processing' AND remote_deliveries.until_ms <= ${time})
      RETURNING ${columns}`.pipe(claims("claimDelivery"))
  })

  const claim = Effect.fn("Deliveries.claim")(function* (id: string, { expiresIn }: Deliveries.Claimant) {
    const token = yield* Id.nextToken
    for (;;) {
      const [taken] = yield* run("claimDelivery")(take(id, token, millis(expiresIn)))
      if (taken !== undefined) return { _tag: "Claimed", token, attempt: taken.attempt } as const
      const [held] = yield* sql`SELECT ${columns} FROM remote_deliveries WHERE id = ${plain(id)}`.pipe(
        claims("claimDelivery"),
        run("claimDelivery")
      )
      if (held?.state === "processed") return { _tag: "Processed" } as const
      if (held?.state === "processing") {
        return { _tag: "Busy", until: DateTime.makeUnsafe(held.until_ms) } as const
      }
      // It failed or was removed in between: it is free.
    }
  })

  return Deliveries.Deliveries.of({
    claim,
    extend: Effect.fn("Deliveries.extend")((id, token, expiresIn) =>
      settle("extendDelivery", id, token, { state: "processing", ttl: millis(expiresIn) })
    ),
    complete: Effect.fn("Deliveries.complete")((id, token) =>
      settle("completeDelivery", id, token, { state: "processed" })
    ),
    fail: Effect.fn("Deliveries.fail")((id, token, reason) =>
      settle("failDelivery", id, token, { state: "failed", reason })
    )
  })
}
