import { Redacted } from "effect"
import { type Lookup, Problem } from "../config/RemoteAgentConfig.ts"
import * as Redactor from "../Redactor.ts"
import type { EnvRule, Profile } from "./Profile.ts"

const rulesOf = (profile: Profile): ReadonlyArray<EnvRule> => profile.env ?? []

const sourcesOf = (rule: EnvRule): ReadonlyArray<string> => rule.from ?? [rule.name]

/** The names of everything that the environment of a profile is made from. */
export const names = (profile: Profile): ReadonlyArray<string> => [
  ...rulesOf(profile).flatMap(sourcesOf),
  ...(profile.enabledBy === undefined ? [] : [profile.enabledBy])
]

const valueOf = (rule: EnvRule, lookup: Lookup): Redacted.Redacted | undefined => {
  for (const name of sourcesOf(rule)) {
    const value = lookup(name)
    if (value !== undefined) return value
  }
  return rule.value === undefined ? undefined : Redacted.make(rule.value)
}

const isOn = (value: Redacted.Redacted | undefined): boolean =>
  value !== undefined && ["true", "1", "yes", "on"].includes(Redacted.value(value).toLowerCase())

const oneOf = (all: ReadonlyArray<string>): string =>
  all.length === 1 ? String(all[0]) : `one of ${all.join(", ")}`

const hint = "Set it in the environment or in .env."

/**
 * Everything that the configuration lacks for a profile and that is not given otherwise, under its name in the
 * sandbox. Empty when it can be run.
 */
export const missing = (
  profile: Profile,
  lookup: Lookup,
  isGiven: (name: string) => boolean = () => false
): ReadonlyArray<Problem> => {
  const lacks = (rule: EnvRule) => valueOf(rule, lookup) === undefined && !isGiven(rule.name)
  const problems: Array<Problem> = []
  const { enabledBy, name: profileName } = profile
  if (enabledBy !== undefined && !isOn(lookup(enabledBy))) {
    problems.push(
      new Problem({
        name: enabledBy,
        problem: `must be true for the profile ${profileName}`,
        hint: "Set it in the environment, in .env or in remote-agent.json."
      })
    )
  }
  const groups = new Map<string, Array<EnvRule>>()
  for (const rule of rulesOf(profile)) {
    if (rule.group !== undefined) groups.set(rule.group, [...(groups.get(rule.group) ?? []), rule])
    if (rule.required === true && lacks(rule)) {
      const name = oneOf(sourcesOf(rule))
      problems.push(new Problem({ name, problem: `is needed by the profile ${profileName}`, hint }))
    }
  }
  for (const rules of groups.values()) {
    if (!rules.every(lacks)) continue
    const name = oneOf(rules.flatMap(sourcesOf))
    problems.push(new Problem({ name, problem: `is needed by the profile ${profileName}`, hint }))
  }
  return problems
}

/** The environment that a sandbox gets for a profile when it is created: the place for its keys. */
export const sandboxEnv = (profile: Profile, lookup: Lookup): Readonly<Record<string, Redacted.Redacted>> =>
  Object.fromEntries(
    rulesOf(profile).flatMap((rule) => {
      const value = valueOf(rule, lookup)
      return value === undefined ? [] : [[rule.name, value]]
    })
  )

/** The model that the agent uses when a query names none, as far as it is known here. */
export const model = ({ env = [], run }: Profile, lookup: Lookup): string | undefined => {
  if (run.model !== undefined) return run.model
  const value = env.flatMap((rule) => (rule.name === run.modelEnv ? [valueOf(rule, lookup)] : [])).at(-1)
  return value === undefined ? undefined : Redacted.value(value)
}

/** The values of that environment which must not be shown. */
export const secrets = (profile: Profile, lookup: Lookup): ReadonlyArray<Redacted.Redacted> =>
  rulesOf(profile).flatMap((rule) => {
    const value = rule.secret === true ? valueOf(rule, lookup) : undefined
    return value === undefined ? [] : [value]
  })

/** An environment that is given for one sandbox. What is no secret may be given openly. */
export type Given = Readonly<Record<string, string | Redacted.Redacted>>

// A word, a number or a path: to strike it out of a text would do harm, and it protects nothing.
const plain = /^(?:[a-z]{0,20}|[\d.:,+-]{0,20}|\/[\w./-]*)$/i

const isPlain = (value: string): boolean => value.length < Redactor.shortest || plain.test(value)

/**
 * The variables of a sandbox whose values must not be shown: those of the secret rules of its profile, and those that
 * are given for it and that the profile has no rule for, but for what is given openly and plainly is no key.
 */
export const secretNames = (profile: Profile, given: Given = {}): ReadonlyArray<string> => {
  const known = new Set(rulesOf(profile).map(({ name }) => name))
  const ofRules = rulesOf(profile).flatMap(({ name, secret }) => (secret === true ? [name] : []))
  const more = Object.entries(given).flatMap(([name, value]) =>
    known.has(name) || (!Redacted.isRedacted(value) && isPlain(value)) ? [] : [name]
  )
  return [...new Set([...ofRules, ...more])]
}
