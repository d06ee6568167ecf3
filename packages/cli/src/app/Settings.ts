import { RemoteAgentConfig } from "@remote-agent/domain"
import { ConfigProvider, Context, Effect, Layer, Option, Result } from "effect"
import { basename, dirname } from "node:path"
import { CommandHost } from "../process/CommandHost.ts"
import * as FolderFile from "./trust/FolderFile.ts"
import * as FolderSource from "./trust/FolderSource.ts"
import * as TrustStore from "./trust/TrustStore.ts"

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
  /** Where a setting is in a file. */
  readonly find?: ((name: string) => string | undefined) | undefined
}

/** A file of settings in the working directory. */
export interface SettingsFile {
  readonly name: string
  readonly path: string
  readonly hash: string
  /** What it sets and may not set before it is trusted. */
  readonly wants: ReadonlyArray<string>
  readonly trusted: boolean
}

/** Where settings come from. The first source that has a setting wins. */
export interface Sources {
  readonly sources: ReadonlyArray<Source>
  /** The files of the working directory. */
  readonly files: ReadonlyArray<SettingsFile>
  /** What makes a file unusable. */
  readonly problems: ReadonlyArray<RemoteAgentConfig.Problem>
  /** What `config check` reports beside them. */
  readonly warnings: ReadonlyArray<RemoteAgentConfig.Problem>
}

/** The environment and the files of settings, read once per command. */
export class Settings extends Context.Service<Settings, Sources>()("@remote-agent/cli/Settings") {}

type Host = CommandHost["Service"]

const problemOf = (name: string, problem: string, hint: string) =>
  new RemoteAgentConfig.Problem({ name, problem, hint })

const unreadable = (name: string, why: string) => problemOf(name, why, "Check it, or remove it.")

/** A source and what is wrong with it. */
interface Read extends Pick<Sources, "problems" | "warnings"> {
  readonly source: Source
  readonly values: ReadonlyMap<string, string>
  readonly file?: SettingsFile
}

const nothing = (name: string, problems: Read["problems"] = []): Read => ({
  source: { name, provider: FolderSource.provide(new Map()) },
  values: new Map(),
  problems,
  warnings: []
})

/** The user's own settings. They are trusted, so other users must not be able to write to them. */
const usersOwn = (path: string | undefined): Read => {
  if (path === undefined) return nothing("your configuration")
  const file = FolderFile.read(dirname(path), basename(path))
  if (file._tag === "Absent") return nothing(path)
  if (file._tag === "Unreadable") return nothing(path, [unreadable(path, file.why)])
  if (file.shared) {
    const hint = `Run \`chmod go-w ${path}\`.`
    return nothing(path, [problemOf(path, "can be written to by other users", hint)])
  }
  const { find, problems, values, warnings } = FolderSource.fromJson(file.text, path)
  return {
    source: { name: path, provider: FolderSource.provide(values), find },
    values,
    problems,
    warnings
  }
}

/** What the user set apart from the files of the folder. */
interface Users {
  /** Whether an earlier source has a setting, so that a file of the folder has no effect. */
  readonly overrides: (name: string) => boolean
  /** The names of all that the user set. */
  readonly names: ReadonlyArray<string>
  readonly trusts: boolean
}

const fromFolder = (
  host: Host,
  name: string,
  parse: (text: string, file: string) => FolderSource.Contents,
  { names, overrides, trusts }: Users
): Read => {
  const file = FolderFile.read(host.cwd, name)
  if (file._tag === "Absent") return nothing(name)
  if (file._tag === "Unreadable") return nothing(name, [unreadable(name, file.why)])
  const { hash, outside, path, text } = file
  const trusted = trusts || TrustStore.isTrusted(file, host.dataFolder, host)
  if (outside && !trusted) {
    const refusal = problemOf(
      name,
      "is a link to a file outside this folder, which needs your trust",
      "Read the file, then run `remote-agent trust`."
    )
    const wants = ["a file outside this folder"]
    return { ...nothing(name, [refusal]), file: { name, path, hash, trusted, wants } }
  }
  const contents = parse(text, name)
  const { find, problems, values, warnings } = contents
  const wants = FolderSource.wanted(values, overrides, names)
  const refuse = (all: ReadonlyArray<string>) => FolderSource.refusal(name, all, host.userConfig)
  const isRefused = !trusted && FolderSource.refusedAtOnce(wants)
  return {
    source: {
      name,
      find,
      provider: trusted ? FolderSource.provide(values) : FolderSource.restricted(contents, wants, refuse)
    },
    values,
    problems: isRefused ? [...problems, refuse(wants)] : problems,
    warnings,
    file: { name, path, hash, trusted, wants }
  }
}

/**
 * Reads the environment, `.env`, `remote-agent.json` and the user's own settings. A file that cannot be used is a
 * problem, not a failure.
 *
 * **Details**
 *
 * The files of the working directory may come from another person. What they may not decide is withheld until the user
 * trusts them: by `remote-agent trust`, by `REMOTE_AGENT_TRUST`, or by `trusts`.
 */
export const make = Effect.fnUntraced(function* ({
  trusts = false
}: { readonly trusts?: boolean } = {}): Effect.fn.Return<Sources, never, CommandHost> {
  const host = yield* CommandHost
  const { env } = host
  const isSet = (name: string) => (env[name] ?? "").trim() !== ""
  const own = usersOwn(host.userConfig)
  const users: Users = {
    trusts,
    overrides: isSet,
    names: [...Object.keys(env).filter(isSet), ...own.values.keys()]
  }
  const keys = fromFolder(host, keysFileName, FolderSource.fromDotEnv, users)
  const file = fromFolder(host, fileName, FolderSource.fromJson, users)
  const all = [keys, file, own]
  return {
    problems: all.flatMap(({ problems }) => problems),
    warnings: [
      ...all.flatMap(({ warnings }) => warnings),
      ...Object.keys(env).flatMap((name) => FolderSource.misspelt(name, "The environment"))
    ],
    files: all.flatMap((one) => one.file ?? []),
    sources: [
      { name: "the environment", provider: ConfigProvider.fromUnknown(env) },
      ...all.map(({ source }) => source)
    ]
  }
})

/** {@link make} as a layer. */
export const layer: Layer.Layer<Settings, never, CommandHost> = Layer.effect(Settings, make())

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

/** The problem with its file, line and column, where its value comes from a file. */
const located = Effect.fnUntraced(function* (problem: RemoteAgentConfig.Problem, { sources }: Sources) {
  if (problem.where !== undefined) return problem
  for (const { find, provider } of sources) {
    const where = find?.(problem.name)
    if (where !== undefined) return new RemoteAgentConfig.Problem({ ...problem, where })
    const set = yield* Effect.option(RemoteAgentConfig.text(problem.name).parse(provider))
    if (Option.isSome(Option.flatten(set))) return problem
  }
  return problem
})

/** An error with the places of its problems. */
export const withPlaces = (
  { problems }: RemoteAgentConfig.ConfigError,
  found: Sources
): Effect.Effect<RemoteAgentConfig.ConfigError> =>
  Effect.gen(function* () {
    const [first, ...rest] = problems
    return new RemoteAgentConfig.ConfigError({
      problems: [yield* located(first, found), ...(yield* Effect.forEach(rest, (one) => located(one, found)))]
    })
  })

/** Fails with every problem at once: those of the files and those of the values. */
export const checked = Effect.fnUntraced(function* (found: Sources) {
  const provided = Effect.provide(RemoteAgentConfig.make, ConfigProvider.layer(merged(found)), {
    local: true
  })
  const values = yield* Effect.result(provided)
  const ofFiles = new Set(found.problems.map(({ text }) => text))
  const ofValues = Result.isFailure(values)
    ? values.failure.problems.filter(({ text }) => !ofFiles.has(text))
    : []
  const [first, ...rest] = [...found.problems, ...ofValues]
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
 * Flags win over the environment, then `.env`, then `remote-agent.json`, then the user's own settings, then the
 * defaults. Fails with every problem at once.
 */
export const config = (
  flags: AppFlags = {}
): Layer.Layer<RemoteAgentConfig.RemoteAgentConfig, RemoteAgentConfig.ConfigError, Settings> =>
  Layer.unwrap(Effect.map(withFlags(flags), layerOf))
