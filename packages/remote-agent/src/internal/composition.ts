import { type Profile, RemoteAgentConfig, StateLocation, type StateStoreError } from "@remote-agent/domain"
import { AgentRuntime, Orchestrator, Profiles, StateLayer, StateOwner } from "@remote-agent/orchestrator"
import type { Sandboxes } from "@remote-agent/sandbox"
import { ConfigProvider, Effect, Layer, Option } from "effect"

/**
 * Options of every `layer` in this package.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** Settings by their names on the configuration page, such as `OPENAI_API_KEY`. They win over the environment. */
  readonly settings?: Readonly<Record<string, unknown>> | undefined
  /** Profiles beside the built-in ones. A profile replaces a built-in one of the same name. */
  readonly profiles?: ReadonlyArray<Profile.Profile> | undefined
  /**
   * Where the state is kept: the path of a SQLite file, or a `postgres://` address. Without it the state is kept in
   * memory and ends with the program.
   */
  readonly state?: string | undefined
}

/**
 * The services of every `layer` in this package.
 *
 * @category models
 * @since 0.2.0
 */
export type Services =
  | Orchestrator.Orchestrator
  | Profiles.Profiles
  | RemoteAgentConfig.RemoteAgentConfig
  | Sandboxes.Sandboxes
  | StateLayer.State

/**
 * Failures of every `layer` in this package: settings that are wrong, or a state that cannot be opened.
 *
 * @category errors
 * @since 0.2.0
 */
export type Failure = RemoteAgentConfig.ConfigError | StateStoreError.StateStoreError

const unknownLocation = new RemoteAgentConfig.ConfigError({
  problems: [
    new RemoteAgentConfig.Problem({
      name: "state",
      problem: "is no place for the state",
      hint: `Set it to ${StateLocation.expected}.`
    })
  ]
})

const state = ({ state: location = "memory" }: Options): Layer.Layer<StateLayer.State, Failure> =>
  Option.match(StateLocation.parse(location), {
    onNone: (): Layer.Layer<StateLayer.State, Failure> => Layer.effectContext(Effect.fail(unknownLocation)),
    onSome: StateLayer.layer
  })

/** The settings over the environment. The owner is that of the state, unless a setting names one. */
const config = ({ settings = {} }: Options, readsEnvironment: boolean) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const environment = readsEnvironment
        ? yield* ConfigProvider.ConfigProvider
        : ConfigProvider.fromUnknown({})
      const owner = ConfigProvider.fromUnknown({ REMOTE_AGENT_OWNER: yield* StateOwner.StateOwner })
      const provider = ConfigProvider.fromUnknown(settings).pipe(
        ConfigProvider.orElse(environment),
        ConfigProvider.orElse(owner)
      )
      return Layer.provide(Layer.fresh(RemoteAgentConfig.layer), ConfigProvider.layer(provider))
    })
  )

/** The library over the sandboxes of one provider. */
export const composed = <P, E>(
  options: Options,
  sandboxes: Layer.Layer<Sandboxes.Sandboxes | P, E, RemoteAgentConfig.RemoteAgentConfig>,
  readsEnvironment = true
): Layer.Layer<Services | P, Failure | E> =>
  Orchestrator.layerNoDeps.pipe(
    Layer.provide(AgentRuntime.layer),
    Layer.provideMerge(Profiles.layer(options.profiles)),
    Layer.provideMerge(sandboxes),
    Layer.provideMerge(config(options, readsEnvironment)),
    Layer.provideMerge(state(options))
  )
