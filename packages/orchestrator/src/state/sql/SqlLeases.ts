import { Lease, StateStoreError } from "@remote-agent/domain"
import { DateTime, Duration, Effect, Option, Schema } from "effect"
import { type Database, failed, Plain, plain, Whole } from "./database/SqlDatabase.ts"
import { type Claim, Leases } from "../Leases.ts"

const LeaseRow = Schema.Struct({ holder: Schema.NullOr(Plain), token: Whole, until_ms: Whole })

const toLease = (resource: string, holder: string, { token, until_ms }: typeof LeaseRow.Type) =>
  new Lease.Lease({ resource, holder, token, until: DateTime.makeUnsafe(until_ms) })

const millis = (ttl: Duration.Input) => Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(ttl)))

/**
 * The leases in the database of the store that they fence. The row of a resource is never removed, so that its token
 * only grows.
 */
export const make = ({ now, reader, run, sql }: Database): Leases["Service"] => {
  const leases = reader(LeaseRow)

  const read = (operation: string, resource: string) =>
    sql`SELECT holder, token, until_ms FROM remote_leases WHERE resource = ${plain(resource)}`.pipe(
      leases(operation)
    )

  const take = Effect.fnUntraced(function* (resource: string, { holder, ttl }: Claim) {
    const time = yield* now
    const [who, until] = [plain(holder), sql`${time} + ${millis(ttl)}`]
    return yield* sql`
      INSERT INTO remote_leases (resource, holder, token, until_ms)
      VALUES (${plain(resource)}, ${who}, 1, ${until})
      ON CONFLICT (resource) DO UPDATE SET
        holder = excluded.holder, token = remote_leases.token + 1, until_ms = excluded.until_ms
      WHERE remote_leases.holder IS NULL OR remote_leases.holder = excluded.holder
        OR remote_leases.until_ms <= ${time}
      RETURNING holder, token, until_ms`.pipe(leases("acquireLease"))
  })

  const acquire = Effect.fn("Leases.acquire")(function* (resource: string, claim: Claim) {
    for (;;) {
      const [taken] = yield* run("acquireLease")(take(resource, claim))
      if (taken !== undefined) return toLease(resource, claim.holder, taken)
      const [held] = yield* run("acquireLease")(read("acquireLease", resource))
      // Released in between: it is free.
      if (held === undefined || held.holder === null) continue
      const until = DateTime.makeUnsafe(held.until_ms)
      return yield* failed(
        "acquireLease",
        new StateStoreError.LeaseHeld({ resource, holder: held.holder, until })
      )
    }
  })

  const renew = Effect.fn("Leases.renew")(function* (
    { holder, resource, token }: Lease.Lease,
    ttl: Duration.Input
  ) {
    const time = yield* now
    const [renewed] = yield* sql`
      UPDATE remote_leases SET until_ms = ${time} + ${millis(ttl)}
      WHERE resource = ${plain(resource)} AND token = ${token} AND holder IS NOT NULL
      RETURNING holder, token, until_ms`.pipe(leases("renewLease"), run("renewLease"))
    return renewed === undefined
      ? yield* failed("renewLease", new StateStoreError.LeaseLost({ resource }))
      : toLease(resource, holder, renewed)
  })

  const release = Effect.fn("Leases.release")(({ resource, token }: Lease.Lease) =>
    sql`
      UPDATE remote_leases SET holder = NULL WHERE resource = ${plain(resource)} AND token = ${token}`.pipe(
      Effect.asVoid,
      run("releaseLease")
    )
  )

  const current = Effect.fn("Leases.current")(function* (resource: string) {
    const time = yield* now
    const [row] = yield* sql`
      SELECT holder, token, until_ms FROM remote_leases
      WHERE resource = ${plain(resource)} AND holder IS NOT NULL AND until_ms > ${time}`.pipe(
      leases("currentLease"),
      run("currentLease")
    )
    return row === undefined || row.holder === null
      ? Option.none()
      : Option.some(toLease(resource, row.holder, row))
  })

  return Leases.of({ acquire, renew, release, current })
}
