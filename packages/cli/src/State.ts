import { Config, Id } from "@remote-agent/domain"
import { Deliveries } from "@remote-agent/github"
import { Intents, MemoryStateStore, Owner, SetUpCache, SqlStateStore } from "@remote-agent/orchestrator"
import { Effect, Layer, Path } from "effect"
import * as DataFolder from "./DataFolder.ts"
import type { Environment, Failure } from "./Failure.ts"
import { Host } from "./Host.ts"

// The file in the data folder, when nothing else is said.
const fileName = "state.sqlite"

const inMemory = Layer.mergeAll(
  MemoryStateStore.layer,
  Intents.layerMemory,
  SetUpCache.layerMemory,
  Deliveries.layerMemory(),
  Layer.effect(Owner.Owner, Id.nextToken)
)

/** The state where `REMOTE_AGENT_STATE` says: a file of the data folder when it says nothing. */
export const layer: Layer.Layer<SqlStateStore.State, Failure, Config.Config | Environment> = Layer.unwrap(
  Effect.gen(function* () {
    const [{ REMOTE_AGENT_STATE: location }, path, { cwd }] = [
      yield* Config.Config,
      yield* Path.Path,
      yield* Host
    ]
    switch (location?._tag) {
      case "Memory":
        return inMemory
      case "Postgres":
        return SqlStateStore.layerPostgres({ url: location.url })
      case "File":
        return SqlStateStore.layerSqlite({ path: path.resolve(cwd, location.path) })
      case undefined:
        return SqlStateStore.layerSqlite({ path: path.join(yield* DataFolder.ensure, fileName) })
    }
  })
)
