import { Effect, type Scope } from "effect"
import { randomUUID } from "node:crypto"
import { inject } from "vitest"
import { connect, type Server, urlOf } from "./postgres.ts"

const addressOf = async () => (await fetch(inject("postgres"))).text()

/** A new and empty database on the server that all tests share, which is started for whoever asks first. */
export const makeDatabase: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function* () {
  const address = yield* Effect.promise(addressOf)
  const name = yield* Effect.sync(() => `tests_${randomUUID().replaceAll("-", "")}`)
  yield* Effect.scoped(
    Effect.flatMap(connect(urlOf(address, "postgres")), ({ sql }) =>
      Effect.orDie(sql`CREATE DATABASE ${sql(name)}`)
    )
  )
  return yield* connect(urlOf(address, name))
})
