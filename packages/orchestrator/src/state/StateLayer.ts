import { Id, type StateLocation, type StateStoreError } from "@remote-agent/domain"
import { Deliveries } from "@remote-agent/github"
import { Layer } from "effect"
import { layerMemory as tokensInMemory } from "./access/AccessTokens.ts"
import { layerMemory as keysInMemory } from "./access/RequestKeys.ts"
import { layerMemory as intentsInMemory } from "./LaunchIntents.ts"
import * as MemoryStateStore from "./memory/MemoryStateStore.ts"
import { layerMemory as snapshotsInMemory } from "./SnapshotIndex.ts"
import * as SqlStateStore from "./sql/SqlStateStore.ts"
import { StateOwner } from "./StateOwner.ts"

/**
 * Everything that a state holds.
 *
 * @category models
 * @since 0.2.0
 */
export type State = SqlStateStore.State

/**
 * The state in memory, with an owner of its own.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<State> = Layer.mergeAll(
  MemoryStateStore.layer,
  intentsInMemory,
  snapshotsInMemory,
  tokensInMemory,
  keysInMemory,
  Deliveries.layerMemory(),
  Layer.effect(StateOwner, Id.nextToken)
)

/**
 * The state at a location: in memory, in a SQLite file, or in Postgres.
 *
 * **Details**
 *
 * A relative path is resolved against the working directory of the process.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  location: StateLocation.StateLocation
): Layer.Layer<State, StateStoreError.StateStoreError> => {
  switch (location._tag) {
    case "Memory":
      return layerMemory
    case "Postgres":
      return SqlStateStore.layerPostgres({ url: location.url })
    case "File":
      return SqlStateStore.layerSqlite({ path: location.path })
  }
}
