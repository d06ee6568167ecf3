import { RemoteAgentConfig } from "@remote-agent/domain"
import { ConfigProvider, Effect, type FileSystem, Layer, Option, type Path, Result, Schema } from "effect"
import type { AppFlags } from "./App.ts"
import { CommandHost } from "../process/CommandHost.ts"
import * as TextFile from "../ui/textInput.ts"

const Settings = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

/** The file of settings beside the user's own files. */
export const fileName = "remote-agent.json"

/** The file of keys beside the user's own files. */
export const keysFileName = ".env"

/** Settings that a flag gives. */
export type Flags = { readonly [N in RemoteAgentConfig.Name]?: string | undefined }

/** The settings that the flags of a command give. */
export const ofFlags = ({ isolation, profile, provider, state }: AppFlags): Flags => ({
  REMOTE_AGENT_ISOLATION: isolation,
  REMOTE_AGENT_PROFILE: profile,
  REMOTE_AGENT_PROVIDER: provider,
  REMOTE_AGENT_STATE: state
})

/** One of the places that settings come from. */
export interface Source {
  readonly name: string
  readonly provider: ConfigProvider.ConfigProvider
}

const trouble = (name: string, problem: string, hint: string) =>
  new RemoteAgentConfig.Problem({ name, problem, hint })

const read = (name: string) =>
  TextFile.ifThere(name).pipe(
    Effect.map(Option.getOrElse(() => "")),
    Effect.mapError(() => trouble(name, "cannot be read", "Check who may read it, or remove it."))
  )

const decode = Schema.decodeResult(Settings)

const fromFile = (text: string): Pick<Sources, "problems"> & { readonly settings: object } => {
  if (text === "") return { settings: {}, problems: [] }
  const decoded = decode(text)
  if (Result.isFailure(decoded)) {
    const hint = "Correct it; a comma too many at the end is the usual cause."
    return { settings: {}, problems: [trouble(fileName, "is not a JSON object", hint)] }
  }
  const { prices, profiles, ...settings } = decoded.success
  // JSON has no comments; a name that starts like one is for people.
  const strangers = Object.keys(settings).filter(
    (name) => !name.startsWith("//") && !Object.hasOwn(RemoteAgentConfig.settings, name)
  )
  const hint = "See every setting with `remote-agent config show`."
  return {
    settings: {
      ...settings,
      ...(profiles === undefined ? {} : { REMOTE_AGENT_PROFILES: JSON.stringify(profiles) }),
      ...(prices === undefined ? {} : { REMOTE_AGENT_PRICES: JSON.stringify(prices) })
    },
    problems: strangers.map((name) => trouble(name, `in ${fileName} is not a setting`, hint))
  }
}

/** Where settings come from, the first that has one wins, and what is wrong with the files among them. */
export interface Sources {
  readonly sources: ReadonlyArray<Source>
  readonly problems: ReadonlyArray<RemoteAgentConfig.Problem>
}

/** Reads flags, the environment, `.env` and `remote-agent.json`. What is wrong with a file is a problem, not a failure. */
export const sources = Effect.fnUntraced(function* (flags: Flags) {
  const { env } = yield* CommandHost
  const [keys, file] = yield* Effect.all([Effect.result(read(keysFileName)), Effect.result(read(fileName))])
  const { problems, settings } = fromFile(Result.getOrElse(file, () => ""))
  const unreadable = [keys, file].flatMap((text) => Option.toArray(Result.getFailure(text)))
  const found: Sources = {
    problems: [...unreadable, ...problems],
    sources: [
      { name: "a flag", provider: ConfigProvider.fromUnknown(flags) },
      { name: "the environment", provider: ConfigProvider.fromUnknown(env) },
      {
        name: keysFileName,
        provider: ConfigProvider.fromDotEnvContents(Result.getOrElse(keys, () => ""))
      },
      { name: fileName, provider: ConfigProvider.fromUnknown(settings) }
    ]
  }
  return found
})

/** All sources as one: the first that has a setting wins. */
export const merged = ({ sources: all }: Sources): ConfigProvider.ConfigProvider =>
  all.map(({ provider }) => provider).reduce((first, second) => ConfigProvider.orElse(first, second))

/** Fails with every problem of the sources at once: of files, and of values. */
export const checked = Effect.fnUntraced(function* (found: Sources) {
  const provided = Effect.provide(RemoteAgentConfig.make, ConfigProvider.layer(merged(found)), {
    local: true
  })
  const values = yield* Effect.result(provided)
  const [first, ...rest] = [...found.problems, ...(Result.isFailure(values) ? values.failure.problems : [])]
  if (first !== undefined) return yield* new RemoteAgentConfig.ConfigError({ problems: [first, ...rest] })
})

/** The same sources, with these values before all of them. */
export const preferring = (values: Flags, { problems, sources: all }: Sources): Sources => ({
  problems,
  sources: [{ name: "this command", provider: ConfigProvider.fromUnknown(values) }, ...all]
})

/** The configuration of sources that were read. Fails with every problem at once. */
export const layerOf = (
  found: Sources
): Layer.Layer<RemoteAgentConfig.RemoteAgentConfig, RemoteAgentConfig.ConfigError> => {
  // Fresh, for a layer is built once for all who name it: other sources would get what these have.
  const layer = Layer.provide(Layer.fresh(RemoteAgentConfig.layer), ConfigProvider.layer(merged(found)))
  // The layer itself fails with every problem of the values; with those of files it must not get so far.
  return found.problems.length === 0 ? layer : Layer.unwrap(Effect.as(checked(found), layer))
}

/**
 * The configuration: flags over the environment over `.env` over `remote-agent.json` over the defaults. Fails with
 * every problem at once.
 */
export const layer = (
  flags: Flags
): Layer.Layer<
  RemoteAgentConfig.RemoteAgentConfig,
  RemoteAgentConfig.ConfigError,
  FileSystem.FileSystem | Path.Path | CommandHost
> => Layer.unwrap(Effect.map(sources(flags), layerOf))
