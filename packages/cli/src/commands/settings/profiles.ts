import { RemoteAgentConfig, Profile, ProfileEnvironment } from "@remote-agent/domain"
import { Profiles } from "@remote-agent/orchestrator"
import { Effect, Layer } from "effect"
import * as Documents from "../../ui/json.ts"
import type { Environment, Failure, Run } from "../../ui/Failure.ts"
import { line, red, Screen } from "../../ui/Screen.ts"
import * as Settings from "../../app/Settings.ts"
import * as Table from "../../ui/Table.ts"

const profiles: Layer.Layer<Profiles.Profiles | RemoteAgentConfig.RemoteAgentConfig, Failure, Environment> =
  Layer.provideMerge(Profiles.layer(), Settings.layer({}))

/** What a profile takes from the settings. No value is in it. */
interface Need {
  /** The settings that it may come from. */
  readonly names: ReadonlyArray<string>
  readonly required: boolean
  readonly set: boolean
}

const needsOf = (profile: Profile.Profile, lookup: RemoteAgentConfig.Lookup): ReadonlyArray<Need> => {
  const rules = profile.env ?? []
  const isSet = (names: ReadonlyArray<string>) => names.some((name) => lookup(name) !== undefined)
  const switches =
    profile.enabledBy === undefined
      ? []
      : [{ names: [profile.enabledBy], required: true, set: isSet([profile.enabledBy]) }]
  const groups = [...new Set(rules.flatMap(({ group }) => (group === undefined ? [] : [group])))]
  const inGroups = groups.map((group) => {
    const names = rules.filter((rule) => rule.group === group).flatMap(({ from, name }) => from ?? [name])
    return { names, required: true, set: isSet(names) }
  })
  const alone = rules
    .filter(({ group }) => group === undefined)
    .map(({ from, name, required = false, value }) => {
      const names = from ?? [name]
      return { names, required: required && value === undefined, set: isSet(names) }
    })
  return [...switches, ...inGroups, ...alone]
}

/** Every profile, what it takes from the settings, and what keeps it from being run here. */
const described = Effect.gen(function* () {
  const { list, prepare } = yield* Profiles.Profiles
  const variables = yield* RemoteAgentConfig.Variables
  return yield* Effect.forEach(list, (profile) =>
    Effect.gen(function* () {
      const lookup = yield* variables(ProfileEnvironment.names(profile))
      const problems = yield* prepare(profile).pipe(
        Effect.as<ReadonlyArray<RemoteAgentConfig.Problem>>([]),
        Effect.catchReason("OrchestratorError", "NotConfigured", (reason) =>
          Effect.succeed<ReadonlyArray<RemoteAgentConfig.Problem>>(reason.problems)
        )
      )
      return {
        name: profile.name,
        description: profile.description,
        ready: problems.length === 0,
        needs: needsOf(profile, lookup),
        problems: problems.map(({ hint, name, problem }) => ({ name, problem, hint }))
      }
    })
  )
})

/** Prints the profiles: what each needs, and whether that is set here. No value is ever shown. */
export const list = Effect.fn("profiles")(function* (flags: { readonly json: boolean }): Run {
  const { out } = yield* Screen
  const all = yield* Effect.provide(described, profiles)
  if (flags.json) return yield* line(out, JSON.stringify({ profiles: all }))
  const names = Table.render(
    all.map(({ description, name }) => [name, description]),
    out.live ? out.columns() : undefined
  )
  const lines = all.flatMap(({ problems }, index) => [
    names[index] ?? "",
    ...problems.map(({ name, problem }) => red(out, `    ${name} ${problem}`))
  ])
  yield* line(out, lines.join("\n"))
})

/** Without what must not be shown: a secret that is written in the settings themselves. */
const shown = (profile: Profile.Profile): Profile.Profile =>
  profile.env === undefined
    ? profile
    : new Profile.Profile({
        ...profile,
        env: profile.env.map(({ value, ...rule }) =>
          value === undefined || rule.secret === true
            ? new Profile.EnvRule(rule)
            : new Profile.EnvRule({ ...rule, value })
        )
      })

/** Prints one profile as JSON, whole but for the values of secrets. Fails with `UnknownProfile`. */
export const show = Effect.fn("profiles show")(function* (flags: {
  readonly name: string
  readonly json: boolean
}): Run {
  const { out } = yield* Screen
  const find = Effect.flatMap(Profiles.Profiles, ({ get }) => get(flags.name))
  const profile = yield* Effect.provide(find, profiles)
  const document = yield* Documents.ofProfile(shown(profile))
  yield* line(out, JSON.stringify(document, undefined, flags.json ? undefined : 2))
})
