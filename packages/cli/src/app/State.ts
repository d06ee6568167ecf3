import { Id, RemoteAgentConfig } from "@remote-agent/domain"
import { Deliveries } from "@remote-agent/github"
import {
  LaunchIntents,
  MemoryStateStore,
  SnapshotIndex,
  SqlStateStore,
  StateOwner
} from "@remote-agent/orchestrator"
import { Effect, Layer, Option, Path } from "effect"
import { CommandHost } from "../process/CommandHost.ts"
import type { Failure } from "../ui/Failure.ts"
import * as DataFolder from "./dataFolder.ts"
import type { Environment } from "./Environment.ts"
import * as Paths from "./paths.ts"
import * as Settings from "./Settings.ts"

/** The state of a command and the configuration that names it. */
export type Records = SqlStateStore.State | RemoteAgentConfig.RemoteAgentConfig

const inMemory = Layer.mergeAll(
  MemoryStateStore.layer,
  LaunchIntents.layerMemory,
  SnapshotIndex.layerMemory,
  Deliveries.layerMemory(),
  Layer.effect(StateOwner.StateOwner, Id.nextToken)
)

/** The state that `REMOTE_AGENT_STATE` names. The default is a file in the data folder. */
const stored: Layer.Layer<SqlStateStore.State, Failure, RemoteAgentConfig.RemoteAgentConfig | Environment> =
  Layer.unwrap(
    Effect.gen(function* () {
      const [{ REMOTE_AGENT_STATE: location }, path, { cwd }] = [
        yield* RemoteAgentConfig.RemoteAgentConfig,
        yield* Path.Path,
        yield* CommandHost
      ]
      switch (location?._tag) {
        case "Memory":
          return inMemory
        case "Postgres":
          return SqlStateStore.layerPostgres({ url: location.url })
        case "File":
          return SqlStateStore.layerSqlite({ path: path.resolve(cwd, location.path) })
        case undefined:
          return SqlStateStore.layerSqlite({ path: Paths.defaultState(yield* DataFolder.ensure) })
      }
    })
  )

/** The configuration of these sources and its state. The state's owner is the default of `REMOTE_AGENT_OWNER`. */
export const layerOf = (found: Settings.Sources): Layer.Layer<Records, Failure, Environment> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = Settings.layerOf(found)
      const named = yield* RemoteAgentConfig.read(Settings.merged(found), "REMOTE_AGENT_OWNER").pipe(
        Effect.orElseSucceed(() => Option.none<string>())
      )
      const owned = Option.isSome(named)
        ? config
        : Layer.unwrap(
            Effect.map(StateOwner.StateOwner, (own) =>
              Settings.layerOf(Settings.preferring("the state", { REMOTE_AGENT_OWNER: own }, found))
            )
          )
      return Layer.provideMerge(owned, Layer.provide(stored, config))
    })
  )

/** The state and the configuration of a command's flags. */
export const layer = (flags: Settings.AppFlags): Layer.Layer<Records, Failure, Environment> =>
  Layer.unwrap(Effect.map(Settings.withFlags(flags), layerOf))
