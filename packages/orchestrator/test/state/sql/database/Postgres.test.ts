import { describe, layer } from "@effect/vitest"
import { PostgresClient, SqlStateStore } from "@remote-agent/orchestrator"
import { Context, Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { Passage } from "../../../support/stateStoreCases.ts"
import { conformance } from "../../../support/conformance.ts"
import { makeDatabase } from "../../../support/database.ts"
import { type Server as PostgresServer } from "../../../support/postgres.ts"

class Server extends Context.Service<Server, PostgresServer>()("test/Server") {}

/** The server's own clock cannot be moved, so what it is compared with is. */
const layerPassage = Layer.effect(
  Passage,
  Effect.map(SqlClient.SqlClient, (sql) => ({
    pass: (time: Duration.Input) =>
      Effect.gen(function* () {
        const millis = Duration.toMillis(Duration.fromInputUnsafe(time))
        yield* TestClock.adjust(time)
        yield* sql`UPDATE remote_leases SET until_ms = until_ms - ${millis}`
        yield* sql`
          UPDATE remote_deliveries SET until_ms = until_ms - ${millis}, changed_ms = changed_ms - ${millis}`
      }).pipe(Effect.orDie)
  }))
)

const layerState = Layer.unwrap(
  Effect.map(
    Effect.flatMap(Server, ({ newUrl }) => newUrl),
    (url) =>
      Layer.provideMerge(layerPassage, SqlStateStore.layer("the state in Postgres")).pipe(
        Layer.provideMerge(PostgresClient.layer({ url }))
      )
  )
)

describe("SqlStateStore.layer on Postgres", () => {
  layer(Layer.effect(Server, makeDatabase), { timeout: "2 minutes" })((it) => {
    it.effect.each(conformance.map((one) => [one.name, one] as const))("%s", ([, { run }]) =>
      Effect.provide(run, Layer.fresh(layerState))
    )
  })
})
