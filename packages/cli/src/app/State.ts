import { RemoteAgentConfig, Id } from "@remote-agent/domain"
import { Deliveries } from "@remote-agent/github"
import {
  LaunchIntents,
  MemoryStateStore,
  StateOwner,
  SnapshotIndex,
  SqlStateStore
} from "@remote-agent/orchestrator"
import { Effect, Layer, Option, Path } from "effect"
import type { AppFlags } from "./App.ts"
import * as DataFolder from "./dataFolder.ts"
import type { Environment, Failure } from "../ui/Failure.ts"
import { CommandHost } from "../process/CommandHost.ts"
import * as Settings from "./Settings.ts"

// The file in the data folder, when nothing else is said.
const fileName = "state.sqlite"

const inMemory = Layer.mergeAll(
  MemoryStateStore.layer,
  LaunchIntents.layerMemory,
  SnapshotIndex.layerMemory,
  Deliveries.layerMemory(),
  Layer.effect(StateOwner.StateOwner, Id.nextToken)
)

/** The state where `REMOTE_AGENT_STATE` says: a file of the data folder when it says nothing. */
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
          return SqlStateStore.layerSqlite({ path: path.join(yield* DataFolder.ensure, fileName) })
      }
    })
  )

/** The configuration of the sources, and the state that it names, whose owner is theirs unless they name one. */
export const layerOf = (
  found: Settings.Sources
): Layer.Layer<SqlStateStore.State | RemoteAgentConfig.RemoteAgentConfig, Failure, Environment> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = Settings.layerOf(found)
      const named = yield* RemoteAgentConfig.text("REMOTE_AGENT_OWNER")
        .parse(Settings.merged(found))
        .pipe(Effect.orElseSucceed(() => Option.none<string>()))
      // In front only where no source has one: what is in front also stands over an owner that was set.
      const owned = Option.isSome(named)
        ? config
        : Layer.unwrap(
            Effect.map(StateOwner.StateOwner, (own) =>
              Settings.layerOf(Settings.preferring({ REMOTE_AGENT_OWNER: own }, found))
            )
          )
      return Layer.provideMerge(owned, Layer.provide(stored, config))
    })
  )

/** The same with the sources of this run: the flags of the command, the environment and the files of settings. */
export const layer = (
  flags: AppFlags
): Layer.Layer<SqlStateStore.State | RemoteAgentConfig.RemoteAgentConfig, Failure, Environment> =>
  Layer.unwrap(Effect.map(Settings.sources(Settings.ofFlags(flags)), layerOf))
