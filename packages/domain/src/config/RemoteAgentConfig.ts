import { type Config, ConfigProvider, Context, Effect, Layer, Option, Redacted } from "effect"
import { ConfigError, Problem } from "./ConfigError.ts"
import * as Setting from "./Setting.ts"
import { contradictions, type Name, names, settings, type Values } from "./settings.ts"

export { ConfigError, Problem } from "./ConfigError.ts"
export { protectsKeys, text } from "./Setting.ts"
export { fallbackText, type Name, names, needsTrust, settings, type Values } from "./settings.ts"
export { isKeyName } from "./trust.ts"

/**
 * A setting with values of any type.
 *
 * @category models
 * @since 0.1.0
 */
export type AnySetting = Setting.Setting<unknown>

/**
 * The settings of this run, read once.
 *
 * @category services
 * @since 0.1.0
 */
export class RemoteAgentConfig extends Context.Service<RemoteAgentConfig, Values>()(
  "@remote-agent/domain/RemoteAgentConfig"
) {}

/**
 * Finds the value of a variable that is not a setting of this program, such as the key of an agent.
 *
 * @category models
 * @since 0.1.0
 */
export type Lookup = (name: string) => Redacted.Redacted | undefined

/**
 * Looks up variables by name in the source of the settings. Without a layer of this module no variable is set.
 *
 * @category references
 * @since 0.1.0
 */
export const Variables = Context.Reference<(all: Iterable<string>) => Effect.Effect<Lookup, ConfigError>>(
  "@remote-agent/domain/RemoteAgentConfig/Variables",
  { defaultValue: () => () => Effect.succeed(() => undefined) }
)

/** A source of the configuration can state the problem itself, as the cause of its error. */
const unreadable = (name: string, { cause }: Config.ConfigError): Problem =>
  cause._tag === "SourceError" && cause.cause instanceof Problem
    ? cause.cause
    : new Problem({
        name,
        problem: "could not be read",
        hint: "Check that the source of the configuration exists."
      })

const invalid = (name: Name): Problem =>
  new Problem({
    name,
    problem: "is not valid",
    hint: `Set it to ${settings[name].expected}, in the environment or in remote-agent.json.`
  })

/** Reads one setting. Fails with its problem. */
const valueOf = Effect.fnUntraced(function* (provider: ConfigProvider.ConfigProvider, name: Name) {
  const setting: AnySetting = settings[name]
  const found = yield* Effect.mapError(Setting.text(name).parse(provider), (error) => unreadable(name, error))
  if (Option.isNone(found)) return setting.generate === undefined ? setting.fallback : yield* setting.generate
  const decoded = setting.decode(found.value.trim())
  return Option.isSome(decoded) ? decoded.value : yield* Effect.fail(invalid(name))
})

/**
 * Reads one setting from a `ConfigProvider`.
 *
 * @category constructors
 * @since 0.2.0
 */
export const one = <N extends Name>(
  name: N,
  provider: ConfigProvider.ConfigProvider
): Effect.Effect<Values[N], ConfigError> =>
  Effect.mapBoth(valueOf(provider, name), {
    onFailure: (problem) => new ConfigError({ problems: [problem] }),
    onSuccess: (value) => value as Values[N]
  })

/**
 * Reads every setting from the current `ConfigProvider`.
 *
 * **Details**
 *
 * Reports all problems at once, which is why the settings are not one `Config.all`: that stops at the first. A key may
 * be missing; see {@link requireKeys}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Values, ConfigError> = Effect.gen(function* () {
  const provider = yield* ConfigProvider.ConfigProvider
  const problems: Array<Problem> = []
  const values: Record<string, unknown> = {}
  for (const name of names) {
    const value = yield* Effect.result(valueOf(provider, name))
    if (value._tag === "Success") values[name] = value.success
    // One file can be the problem of many settings.
    else if (problems.every(({ text }) => text !== value.failure.text)) problems.push(value.failure)
  }
  const [first, ...rest] = [...problems, ...contradictions(values)]
  return first === undefined ? (values as Values) : yield* new ConfigError({ problems: [first, ...rest] })
})

const makeVariables = Effect.gen(function* () {
  const provider = yield* ConfigProvider.ConfigProvider
  return Effect.fnUntraced(function* (all: Iterable<string>): Effect.fn.Return<Lookup, ConfigError> {
    const found = new Map<string, Redacted.Redacted>()
    for (const name of new Set(all)) {
      const value = yield* Effect.mapError(
        Setting.text(name).parse(provider),
        (error) => new ConfigError({ problems: [unreadable(name, error)] })
      )
      if (Option.isSome(value)) found.set(name, Redacted.make(value.value.trim()))
    }
    return (name) => found.get(name)
  })
})

/**
 * The settings from the current `ConfigProvider`, and {@link Variables}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<RemoteAgentConfig, ConfigError> = Layer.merge(
  Layer.effect(RemoteAgentConfig, make),
  Layer.effect(Variables, makeVariables)
)

/**
 * The settings from a literal, for tests and embedding. Each call makes a layer of its own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  values: Readonly<Record<string, unknown>>
): Layer.Layer<RemoteAgentConfig, ConfigError> =>
  Layer.fresh(layer).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values))))

/**
 * Fails with every setting among `needed` that is not set, in one error. `purpose` says what needs them.
 *
 * @category validation
 * @since 0.1.0
 */
export const requireKeys = (
  values: Values,
  needed: ReadonlyArray<Name>,
  purpose: string
): Effect.Effect<void, ConfigError> => {
  const [first, ...rest] = needed
    .filter((name) => values[name] === undefined)
    .map(
      (name) =>
        new Problem({
          name,
          problem: `is needed for ${purpose}`,
          hint: `Set it to ${settings[name].expected}, in the environment or in .env.`
        })
    )
  return first === undefined ? Effect.void : Effect.fail(new ConfigError({ problems: [first, ...rest] }))
}
