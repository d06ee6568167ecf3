import { Profile, ProfileEnvironment, RemoteAgentConfig } from "@remote-agent/domain"
import { Profiles } from "@remote-agent/orchestrator"
import { Effect, Layer } from "effect"
import type { Environment, Run } from "../../app/Environment.ts"
import { ServerTarget, type Target } from "../../app/ServerTarget.ts"
import * as Settings from "../../app/Settings.ts"
import type { Failure } from "../../ui/Failure.ts"
import { line, red, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"

const services: Layer.Layer<Profiles.Profiles | RemoteAgentConfig.RemoteAgentConfig, Failure, Environment> =
  Layer.provideMerge(Profiles.layer(), Settings.config())

/** What a profile needs from the settings. It contains no value. */
interface Need {
  /** The settings that provide it, the first that is set wins. */
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

/** Every profile, what it needs, and why it cannot run here. */
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

/** The profiles of a server. It says what is missing, and not what is set. */
const describedAt = Effect.fnUntraced(function* (target: Target) {
  const { profiles: at } = yield* Effect.promise(() => import("../../app/remote/layer.ts"))
  return (yield* at(target)).map((profile) => ({ ...profile, needs: [] }))
})

/** `profiles`. */
export const profiles = command({
  name: "profiles",
  description: "List the kinds of agents, what each needs, and whether it is set here. No value is shown",
  flags: {},
  examples: [{ command: "remote-agent profiles", description: "All profiles" }],
  run: Effect.fn("profiles")(function* ({ json }): Run {
    const { out } = yield* Screen
    const target = yield* ServerTarget
    const all = yield* target === undefined ? Effect.provide(described, services) : describedAt(target)
    if (json) return yield* Effect.forEach(all, (one) => line(out, jsonText(one)), { discard: true })
    const names = Table.render(
      all.map(({ description, name }) => [name, description]),
      Table.widthOf(out)
    )
    const lines = all.flatMap(({ problems }, index) => [
      names[index] ?? "",
      ...problems.map(({ name, problem }) => red(out, `    ${name} ${problem}`))
    ])
    yield* line(out, lines.join("\n"))
  })
})
