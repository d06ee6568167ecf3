import { Redacted } from "effect"
import { Problem } from "../config/ConfigError.ts"
import type { Lookup } from "../config/RemoteAgentConfig.ts"
import { isOn as isOnText } from "../config/Setting.ts"
import * as Redactor from "../Redactor.ts"
import type { EnvRule, Profile } from "./Profile.ts"

const rulesOf = (profile: Profile): ReadonlyArray<EnvRule> => profile.env ?? []

const sourcesOf = (rule: EnvRule): ReadonlyArray<string> => rule.from ?? [rule.name]

/**
 * The names of all settings that a profile reads.
 *
 * @category inspection
 * @since 0.1.0
 */
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
  value !== undefined && isOnText(Redacted.value(value))

const oneOf = (all: ReadonlyArray<string>): string =>
  all.length === 1 ? String(all[0]) : `one of ${all.join(", ")}`

const hint = "Set it in the environment or in .env."

/**
 * Lists the settings that a profile needs and that are neither configured nor given for its sandbox.
 *
 * **Details**
 *
 * `isGiven` tells whether a variable of the sandbox is given in another way. The list is empty when the profile can run.
 *
 * @category validation
 * @since 0.1.0
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

/**
 * Computes the environment of a sandbox for a profile. It holds the keys of the agent.
 *
 * @category inspection
 * @since 0.1.0
 */
export const sandboxEnv = (profile: Profile, lookup: Lookup): Readonly<Record<string, Redacted.Redacted>> =>
  Object.fromEntries(
    rulesOf(profile).flatMap((rule) => {
      const value = valueOf(rule, lookup)
      return value === undefined ? [] : [[rule.name, value]]
    })
  )

/**
 * Finds the model that the agent uses when a query names none, where the profile or its environment says so.
 *
 * @category inspection
 * @since 0.1.0
 */
export const model = ({ env = [], run }: Profile, lookup: Lookup): string | undefined => {
  if (run.model !== undefined) return run.model
  const value = env.flatMap((rule) => (rule.name === run.modelEnv ? [valueOf(rule, lookup)] : [])).at(-1)
  return value === undefined ? undefined : Redacted.value(value)
}

/**
 * Lists the secret values of the environment.
 *
 * @category inspection
 * @since 0.1.0
 */
export const secrets = (profile: Profile, lookup: Lookup): ReadonlyArray<Redacted.Redacted> =>
  rulesOf(profile).flatMap((rule) => {
    const value = rule.secret === true ? valueOf(rule, lookup) : undefined
    return value === undefined ? [] : [value]
  })

/**
 * An environment that a caller gives one sandbox. A value that is not secret may be a plain string.
 *
 * @category models
 * @since 0.1.0
 */
export type Given = Readonly<Record<string, string | Redacted.Redacted>>

// Redacting a word, a number or a path protects no secret and makes the output unreadable.
const plain = /^(?:[a-z]{0,20}|[\d.:,+-]{0,20}|\/[\w./-]*)$/i

const isPlain = (value: string): boolean => value.length < Redactor.minimumLength || plain.test(value)

/**
 * Lists the variables of a sandbox whose values are redacted.
 *
 * **Details**
 *
 * These are the secret variables of the profile, and the given variables that the profile does not describe, except for
 * plain strings that are obviously not keys.
 *
 * @category inspection
 * @since 0.1.0
 */
export const secretNames = (profile: Profile, given: Given = {}): ReadonlyArray<string> => {
  const known = new Set(rulesOf(profile).map(({ name }) => name))
  const ofRules = rulesOf(profile).flatMap(({ name, secret }) => (secret === true ? [name] : []))
  const more = Object.entries(given).flatMap(([name, value]) =>
    known.has(name) || (!Redacted.isRedacted(value) && isPlain(value)) ? [] : [name]
  )
  return [...new Set([...ofRules, ...more])]
}
