import { RemoteAgentConfig } from "@remote-agent/domain"
import {
  ConfigProvider,
  Context,
  Effect,
  type FileSystem,
  Layer,
  Option,
  type Path,
  Result,
  Schema
} from "effect"
import { CommandHost } from "../process/CommandHost.ts"
import * as TextInput from "./textInput.ts"
import * as DotEnv from "./dotEnv.ts"

const SettingsFile = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

/** The name of the settings file in the working directory. */
export const fileName = "remote-agent.json"

/** The name of the file of keys in the working directory. */
export const keysFileName = ".env"

/** The flags that choose where agents run and where the state is kept. */
export interface AppFlags {
  readonly provider?: string | undefined
  readonly profile?: string | undefined
  readonly isolation?: string | undefined
  /** Where the state is kept. */
  readonly state?: string | undefined
}

/** Settings given by flags. */
export type Flags = { readonly [N in RemoteAgentConfig.Name]?: string | undefined }

/** One of the places that settings come from. */
export interface Source {
  readonly name: string
  readonly provider: ConfigProvider.ConfigProvider
}

/** Where settings come from. The first source that has a setting wins. */
export interface Sources {
  readonly sources: ReadonlyArray<Source>
  /** What makes a file unusable. */
  readonly problems: ReadonlyArray<RemoteAgentConfig.Problem>
  /** What `config check` reports beside them. */
  readonly warnings: ReadonlyArray<RemoteAgentConfig.Problem>
}

/** The environment, `.env` and `remote-agent.json`, read once per command. */
export class Settings extends Context.Service<Settings, Sources>()("@remote-agent/cli/Settings") {}

const problemOf = (name: string, problem: string, hint: string) =>
  new RemoteAgentConfig.Problem({ name, problem, hint })

const read = (name: string) =>
  TextInput.ifThere(name).pipe(
    Effect.map(Option.getOrElse(() => "")),
    Effect.mapError(() => problemOf(name, "cannot be read", "Check its permissions, or remove it."))
  )

const decode = Schema.decodeResult(SettingsFile)

const fromFile = (text: string): Pick<Sources, "problems"> & { readonly settings: object } => {
  if (text === "") return { settings: {}, problems: [] }
  const decoded = decode(text)
  if (Result.isFailure(decoded)) {
    const hint = "Correct it. The usual cause is a trailing comma."
    return { settings: {}, problems: [problemOf(fileName, "is not a JSON object", hint)] }
  }
  const { prices, profiles, ...settings } = decoded.success
  // JSON has no comments, so names that start with // are comments here.
  const unknown = Object.keys(settings).filter(
    (name) => !name.startsWith("//") && !Object.hasOwn(RemoteAgentConfig.settings, name)
  )
  const hint = "List every setting with `remote-agent config show`."
  return {
    settings: {
      ...settings,
      ...(profiles === undefined ? {} : { REMOTE_AGENT_PROFILES: JSON.stringify(profiles) }),
      ...(prices === undefined ? {} : { REMOTE_AGENT_PRICES: JSON.stringify(prices) })
    },
    problems: unknown.map((name) => problemOf(name, `in ${fileName} is not a setting`, hint))
  }
}

/** A name in `.env` that is not a setting but looks like one. Other programs may share the file. */
const misspelt = ({ line, name }: DotEnv.DotEnvEntry): ReadonlyArray<RemoteAgentConfig.Problem> => {
  if (Object.hasOwn(RemoteAgentConfig.settings, name)) return []
  const meant = DotEnv.meant(name, RemoteAgentConfig.names)
  if (meant === undefined && !name.startsWith("REMOTE_AGENT_")) return []
  const hint =
    meant === undefined
      ? "List every setting with `remote-agent config show`."
      : `Write ${meant} if that is what it means.`
  return [problemOf(`${keysFileName}:${line}`, `sets ${name}, which is not a setting`, hint)]
}

const fromDotEnv = (text: string) => {
  const { entries, problems } = DotEnv.parse(text)
  return {
    values: Object.fromEntries(entries.map(({ name, value }) => [name, value])),
    warnings: [
      ...problems.map(({ hint, line, problem }) => problemOf(`${keysFileName}:${line}`, problem, hint)),
      ...entries.flatMap(misspelt)
    ]
  }
}

/** Reads the environment, `.env` and `remote-agent.json`. A file that cannot be used is a problem, not a failure. */
export const make: Effect.Effect<Sources, never, FileSystem.FileSystem | Path.Path | CommandHost> =
  Effect.gen(function* () {
    const { env } = yield* CommandHost
    const [keys, file] = yield* Effect.all([Effect.result(read(keysFileName)), Effect.result(read(fileName))])
    const { problems, settings } = fromFile(Result.getOrElse(file, () => ""))
    const { values, warnings } = fromDotEnv(Result.getOrElse(keys, () => ""))
    const unreadable = [keys, file].flatMap((text) => Option.toArray(Result.getFailure(text)))
    return {
      problems: [...unreadable, ...problems],
      warnings,
      sources: [
        { name: "the environment", provider: ConfigProvider.fromUnknown(env) },
        { name: keysFileName, provider: ConfigProvider.fromUnknown(values) },
        { name: fileName, provider: ConfigProvider.fromUnknown(settings) }
      ]
    }
  })

/** {@link make} as a layer. */
export const layer: Layer.Layer<Settings, never, FileSystem.FileSystem | Path.Path | CommandHost> =
  Layer.effect(Settings, make)

/** Puts values before all sources. */
export const preferring = (name: string, values: Flags, { sources, ...rest }: Sources): Sources => ({
  ...rest,
  sources: [{ name, provider: ConfigProvider.fromUnknown(values) }, ...sources]
})

/** The sources with the flags of a command before them. */
export const withFlags = ({
  isolation,
  profile,
  provider,
  state
}: AppFlags): Effect.Effect<Sources, never, Settings> =>
  Effect.map(Settings, (sources) =>
    preferring(
      "a flag",
      {
        REMOTE_AGENT_ISOLATION: isolation,
        REMOTE_AGENT_PROFILE: profile,
        REMOTE_AGENT_PROVIDER: provider,
        REMOTE_AGENT_STATE: state
      },
      sources
    )
  )

/** All sources as one. */
export const merged = ({ sources }: Sources): ConfigProvider.ConfigProvider =>
  sources.map(({ provider }) => provider).reduce((first, second) => ConfigProvider.orElse(first, second))

/** Fails with every problem at once: those of the files and those of the values. */
export const checked = Effect.fnUntraced(function* (found: Sources) {
  const provided = Effect.provide(RemoteAgentConfig.make, ConfigProvider.layer(merged(found)), {
    local: true
  })
  const values = yield* Effect.result(provided)
  const [first, ...rest] = [...found.problems, ...(Result.isFailure(values) ? values.failure.problems : [])]
  if (first !== undefined) return yield* new RemoteAgentConfig.ConfigError({ problems: [first, ...rest] })
})

/** The configuration of these sources. Fails with every problem at once. */
export const layerOf = (
  found: Sources
): Layer.Layer<RemoteAgentConfig.RemoteAgentConfig, RemoteAgentConfig.ConfigError> => {
  // Fresh, because a shared layer would be built once and other sources would get the same values.
  const config = Layer.provide(Layer.fresh(RemoteAgentConfig.layer), ConfigProvider.layer(merged(found)))
  return found.problems.length === 0 ? config : Layer.unwrap(Effect.as(checked(found), config))
}

/**
 * The configuration of a command.
 *
 * **Details**
 *
 * Flags win over the environment, then `.env`, then `remote-agent.json`, then the defaults. Fails with every problem at
 * once.
 */
export const config = (
  flags: AppFlags = {}
): Layer.Layer<RemoteAgentConfig.RemoteAgentConfig, RemoteAgentConfig.ConfigError, Settings> =>
  Layer.unwrap(Effect.map(withFlags(flags), layerOf))
