import { NodeServices } from "@effect/platform-node"
import type { StateStoreError } from "@remote-agent/domain"
import { SqlStateStore, StateStore } from "@remote-agent/orchestrator"
import { Effect, Layer } from "effect"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"

/** Writes into the state that the binary finds. */
export const seeded = Effect.fnUntraced(function* (
  cwd: string,
  write: (store: StateStore.StateStore["Service"]) => Effect.Effect<unknown, StateStoreError.StateStoreError>
) {
  const data = join(cwd, "data")
  yield* Effect.promise(() => mkdir(data, { recursive: true, mode: 0o700 }))
  yield* Effect.flatMap(StateStore.StateStore, write).pipe(
    Effect.provide(
      Layer.provide(SqlStateStore.layerSqlite({ path: join(data, "state.sqlite") }), NodeServices.layer)
    ),
    Effect.orDie
  )
})
