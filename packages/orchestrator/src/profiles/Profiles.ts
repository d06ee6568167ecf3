import { RemoteAgentConfig, OrchestratorError, type Profile, ProfileEnvironment } from "@remote-agent/domain"
import { Context, Effect, Layer, Redacted } from "effect"
import { access, constants } from "node:fs/promises"
import * as CodingProfiles from "./coding.ts"
import * as DexterProfile from "./dexter.ts"
import * as LocalRepository from "./localRepository.ts"
import * as ProfileSettings from "./ProfileSettings.ts"
import * as SampleProfile from "./sample.ts"
import * as SourceHost from "./sourceHost.ts"

/**
 * What the configuration gives to the sandbox of an agent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Prepared {
  /** The environment of the sandbox, for its creation. */
  readonly env: Readonly<Record<string, Redacted.Redacted>>
  /** The secrets of the configuration in that environment. */
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  /** The values that are masked in everything that the agent prints, by the variables of its sandbox. */
  readonly masked: Readonly<Record<string, Redacted.Redacted>>
}

/**
 * The profiles from which agents are launched.
 *
 * @category services
 * @since 0.1.0
 */
export class Profiles extends Context.Service<
  Profiles,
  {
    /** Fails with `UnknownProfile`, which names the known profiles. */
    readonly get: (name: string) => Effect.Effect<Profile.Profile, OrchestratorError.OrchestratorError>
    /** All profiles, ordered by name. */
    readonly list: ReadonlyArray<Profile.Profile>
    /**
     * Prepares the environment of a sandbox. Fails with `NotConfigured`, which names everything that is missing: keys
     * that the launch does not give either, files of the user, a repository on this machine. Creates nothing.
     */
    readonly prepare: (
      profile: Profile.Profile,
      given?: ProfileEnvironment.Given
    ) => Effect.Effect<Prepared, OrchestratorError.OrchestratorError>
    /**
     * Checks that this machine can resolve the hosts that the setup needs: that of the profile's code, and
     * `egress.setup`. Fails with `NotConfigured`, which names every unknown host. Checks nothing behind a proxy, of
     * this machine or in the environment that the launch gives. Sends nothing to the hosts.
     */
    readonly reachable: (
      profile: Profile.Profile,
      given?: ProfileEnvironment.Given
    ) => Effect.Effect<void, OrchestratorError.OrchestratorError>
    /** The model of a query that names none, as far as the configuration says. */
    readonly model: (
      profile: Profile.Profile
    ) => Effect.Effect<string | undefined, OrchestratorError.OrchestratorError>
    /** The secrets of the profile that are set now, to be masked in what an agent prints. */
    readonly secrets: (
      profile: Profile.Profile
    ) => Effect.Effect<ReadonlyArray<Redacted.Redacted>, OrchestratorError.OrchestratorError>
  }
>()("@remote-agent/orchestrator/Profiles") {}

const unreadableFiles = (profile: Profile.Profile) =>
  Effect.forEach(profile.assets, ({ file }, index) =>
    file === undefined
      ? Effect.succeed([])
      : Effect.promise(() =>
          access(file, constants.R_OK).then(
            () => [],
            () => [
              new RemoteAgentConfig.Problem({
                name: `profiles.${profile.name}.assets[${index}].file`,
                problem: `cannot be read: ${file}`,
                hint: "Check its path and who may read it."
              })
            ]
          )
        )
  )

const missingRepository = Effect.fnUntraced(function* (profile: Profile.Profile) {
  const folder = profile.source === undefined ? undefined : LocalRepository.folderOf(profile.source)
  if (folder === undefined || (yield* LocalRepository.exists(folder))) return []
  return [
    new RemoteAgentConfig.Problem({
      name: `profiles.${profile.name}.source.repository`,
      problem: `is not there: ${folder}`,
      hint: "Name the folder of a git repository on this machine, or an address."
    })
  ]
})

const unknownHost =
  (profile: Profile.Profile) =>
  ({ host, of }: SourceHost.Needed) =>
    of === "source"
      ? new RemoteAgentConfig.Problem({
          name: host,
          problem: `is not known here, and the code of the profile ${profile.name} comes from there`,
          hint: "Check the network, or name another repository in the profile: `source.repository`."
        })
      : new RemoteAgentConfig.Problem({
          name: host,
          problem: `is not known here, and the set-up of the profile ${profile.name} talks to it`,
          hint: "Check the network, or leave it out of `egress.setup` in the profile if set-up can do without."
        })

const notConfigured = (
  profile: Profile.Profile,
  problems: readonly [RemoteAgentConfig.Problem, ...ReadonlyArray<RemoteAgentConfig.Problem>]
) =>
  new OrchestratorError.OrchestratorError({
    operation: "profile",
    reason: new OrchestratorError.NotConfigured({ profile: profile.name, problems })
  })

const isSet = (given: ProfileEnvironment.Given, name: string): boolean => {
  const value = Object.hasOwn(given, name) ? given[name] : undefined
  return value !== undefined && (Redacted.isRedacted(value) ? Redacted.value(value) : value) !== ""
}

/** Makes the service over exactly these profiles and the variables of the configuration. */
export const make = Effect.fnUntraced(function* (profiles: ReadonlyArray<Profile.Profile>) {
  const variables = yield* RemoteAgentConfig.Variables
  const byName = new Map(profiles.map((profile) => [profile.name, profile]))
  const list = [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))

  const lookup = (profile: Profile.Profile) =>
    Effect.mapError(variables(ProfileEnvironment.names(profile)), ({ problems }) =>
      notConfigured(profile, problems)
    )

  const get = Effect.fn("Profiles.get")(function* (name: string) {
    const profile = byName.get(name)
    if (profile !== undefined) return profile
    return yield* new OrchestratorError.OrchestratorError({
      operation: "profile",
      reason: new OrchestratorError.UnknownProfile({ name, known: list.map((known) => known.name) })
    })
  })

  const prepare = Effect.fn("Profiles.prepare")(function* (
    profile: Profile.Profile,
    given: ProfileEnvironment.Given = {}
  ) {
    const found = yield* lookup(profile)
    const [first, ...rest] = [
      ...ProfileEnvironment.missing(profile, found, (name) => isSet(given, name)),
      ...(yield* unreadableFiles(profile)).flat(),
      ...(yield* missingRepository(profile))
    ]
    if (first !== undefined) return yield* notConfigured(profile, [first, ...rest])
    const env = ProfileEnvironment.sandboxEnv(profile, found)
    const all: ProfileEnvironment.Given = { ...env, ...given }
    const masked = ProfileEnvironment.secretNames(profile, given).flatMap((name) => {
      const value = all[name]
      if (value === undefined) return []
      return [[name, Redacted.isRedacted(value) ? value : Redacted.make(value)] as const]
    })
    return { env, secrets: ProfileEnvironment.secrets(profile, found), masked: Object.fromEntries(masked) }
  })

  const secrets = Effect.fn("Profiles.secrets")((profile: Profile.Profile) =>
    Effect.map(lookup(profile), (found) => ProfileEnvironment.secrets(profile, found))
  )

  const model = Effect.fn("Profiles.model")((profile: Profile.Profile) =>
    Effect.map(lookup(profile), (found) => ProfileEnvironment.model(profile, found))
  )

  const reachable = Effect.fn("Profiles.reachable")(function* (
    profile: Profile.Profile,
    given: ProfileEnvironment.Given = {}
  ) {
    const hosts = SourceHost.needed(profile)
    if (hosts.length === 0) return
    const proxy = yield* Effect.mapError(variables(SourceHost.proxies), ({ problems }) =>
      notConfigured(profile, problems)
    )
    if (SourceHost.proxies.some((name) => proxy(name) !== undefined || isSet(given, name))) return
    const known = yield* Effect.forEach(hosts, ({ host }) => SourceHost.isKnown(host), { concurrency: 4 })
    const [first, ...rest] = hosts.filter((_, index) => !known[index]).map(unknownHost(profile))
    if (first !== undefined) return yield* notConfigured(profile, [first, ...rest])
  })

  return Profiles.of({ list, get, prepare, model, secrets, reachable })
})

/**
 * Makes the service over exactly these profiles.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (profiles: ReadonlyArray<Profile.Profile>): Layer.Layer<Profiles> =>
  Layer.effect(Profiles, make(profiles))

/** The profiles that come with this package. */
const bundled: Effect.Effect<ReadonlyArray<Profile.Profile>> = Effect.map(
  Effect.all([SampleProfile.make, DexterProfile.make, DexterProfile.makePython]),
  (made) => [
    ...made,
    CodingProfiles.claudeCode,
    CodingProfiles.codex,
    CodingProfiles.opencode,
    CodingProfiles.custom
  ]
)

/**
 * The profiles that come with this package and more.
 *
 * **Details**
 *
 * A profile in `more` replaces a bundled one of the same name. The setting `REMOTE_AGENT_PROFILES` adds to and changes
 * both. Fails with every problem of that setting.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  more: ReadonlyArray<Profile.Profile> = []
): Layer.Layer<Profiles, RemoteAgentConfig.ConfigError, RemoteAgentConfig.RemoteAgentConfig> =>
  Layer.effect(
    Profiles,
    Effect.gen(function* () {
      const { REMOTE_AGENT_PROFILES } = yield* RemoteAgentConfig.RemoteAgentConfig
      return yield* make(yield* ProfileSettings.apply([...(yield* bundled), ...more], REMOTE_AGENT_PROFILES))
    })
  )
