import { RemoteAgentConfig } from "@remote-agent/domain"
import { StateLayer, StateOwner } from "@remote-agent/orchestrator"
import { Effect, Layer, Option, Path } from "effect"
import { CommandHost } from "../process/CommandHost.ts"
import type { Failure } from "../ui/Failure.ts"
import * as DataFolder from "./dataFolder.ts"
import type { Environment } from "./Environment.ts"
import * as Paths from "./paths.ts"
import { checkFlags, ServerTarget, type Target } from "./ServerTarget.ts"
import * as Settings from "./Settings.ts"

/** The state of a command and the configuration that names it. */
export type Records = StateLayer.State | RemoteAgentConfig.RemoteAgentConfig

/** The state that `REMOTE_AGENT_STATE` names. The default is a file in the data folder. */
const stored: Layer.Layer<StateLayer.State, Failure, RemoteAgentConfig.RemoteAgentConfig | Environment> =
  Layer.unwrap(
    Effect.gen(function* () {
      const [{ REMOTE_AGENT_STATE: location }, path, { cwd }] = [
        yield* RemoteAgentConfig.RemoteAgentConfig,
        yield* Path.Path,
        yield* CommandHost
      ]
      if (location === undefined) {
        return StateLayer.layer({ _tag: "File", path: Paths.defaultState(yield* DataFolder.ensure) })
      }
      return StateLayer.layer(
        location._tag === "File" ? { _tag: "File", path: path.resolve(cwd, location.path) } : location
      )
    })
  )

/** The configuration of these sources and its state. The state's owner is the default of `REMOTE_AGENT_OWNER`. */
export const layerOf = (found: Settings.Sources): Layer.Layer<Records, Failure, Environment> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = Settings.layerOf(found)
      const named = yield* RemoteAgentConfig.text("REMOTE_AGENT_OWNER")
        .parse(Settings.merged(found))
        .pipe(Effect.orElseSucceed(() => Option.none<string>()))
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

/** The records at a server, and the configuration here. */
const remote = Effect.fnUntraced(function* (flags: Settings.AppFlags, target: Target) {
  yield* checkFlags(flags)
  const { state } = yield* Effect.promise(() => import("./remote/layer.ts"))
  return Layer.merge(state(target), Settings.layerOf(yield* Settings.withFlags(flags)))
})

/** The state and the configuration of a command's flags: at the server that they name, or here. */
export const layer = (flags: Settings.AppFlags): Layer.Layer<Records, Failure, Environment> =>
  Layer.unwrap(
    Effect.flatMap(
      ServerTarget,
      (target): Effect.Effect<Layer.Layer<Records, Failure, Environment>, Failure, Environment> =>
        target === undefined ? Effect.map(Settings.withFlags(flags), layerOf) : remote(flags, target)
    )
  )
