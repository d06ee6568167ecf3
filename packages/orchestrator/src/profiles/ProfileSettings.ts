import { RemoteAgentConfig, Profile } from "@remote-agent/domain"
import { Effect, Schema, SchemaIssue } from "effect"

type JsonObject = Readonly<Record<string, Schema.Json>>

const isObject = (value: Schema.Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Merges one JSON object over another: objects are merged, `null` removes a field, everything else replaces it.
 *
 * @category merging
 * @since 0.1.0
 */
export const merge = (base: JsonObject, over: JsonObject): JsonObject => {
  const merged = new Map(Object.entries(base))
  for (const [name, value] of Object.entries(over)) {
    const below = merged.get(name)
    if (value === null) merged.delete(name)
    else merged.set(name, isObject(value) && isObject(below) ? merge(below, value) : value)
  }
  return Object.fromEntries(merged)
}

/** The lists of a profile whose items have a key, by which a configuration adds or replaces one. */
const keys: Readonly<Record<string, string>> = { assets: "path", env: "name", needs: "name" }

const keyOf = (item: Schema.Json, key: string): Schema.Json | undefined =>
  isObject(item) ? item[key] : undefined

/** Merges the settings of a profile over another profile: like {@link merge}, but these lists are merged by key. */
const over = (base: JsonObject, settings: JsonObject): JsonObject => {
  const merged = new Map(Object.entries(merge(base, settings)))
  for (const [list, key] of Object.entries(keys)) {
    const [old, added] = [base[list], settings[list]]
    if (added === null && old !== undefined) merged.set(list, [])
    if (!Array.isArray(old) || !Array.isArray(added)) continue
    const replaced = new Set(added.map((item) => keyOf(item, key)))
    merged.set(list, [...old.filter((item) => !replaced.has(keyOf(item, key))), ...added])
  }
  return Object.fromEntries(merged)
}

/**
 * Encodes a profile as the JSON of a configuration.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toJson = Schema.encodeSync(Schema.toCodecJson(Profile.Profile))

const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(Profile.Profile), {
  errors: "all",
  onExcessProperty: "error"
})

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

const pathOf = (path: ReadonlyArray<unknown> | undefined): string =>
  (path ?? [])
    .map((part) => {
      const key = typeof part === "object" && part !== null && "key" in part ? part.key : part
      return typeof key === "number" ? `[${key}]` : `.${String(key)}`
    })
    .join("")

const problem = (
  name: string,
  message: string,
  hint = "Correct it in remote-agent.json."
): RemoteAgentConfig.Problem =>
  new RemoteAgentConfig.Problem({ name, problem: `is not valid: ${message.replace(/\.$/, "")}`, hint })

const problemsOf = (name: string, issue: SchemaIssue.Issue): ReadonlyArray<RemoteAgentConfig.Problem> =>
  issuesOf(issue).issues.map(({ message, path }) => problem(`profiles.${name}${pathOf(path)}`, message))

type Found =
  | { readonly profile: Profile.Profile }
  | { readonly problems: ReadonlyArray<RemoteAgentConfig.Problem> }

const read = Effect.fnUntraced(function* (
  known: ReadonlyMap<string, Profile.Profile>,
  name: string,
  settings: JsonObject
): Effect.fn.Return<Found> {
  const { extends: parent, ...own } = settings
  const baseName = parent ?? (known.has(name) ? name : undefined)
  const base = typeof baseName === "string" ? known.get(baseName) : undefined
  if (baseName !== undefined && base === undefined) {
    const names = [...known.keys()].join(", ")
    return {
      problems: [problem(`profiles.${name}.extends`, "there is no such profile", `Name one of ${names}.`)]
    }
  }
  // A profile that a configuration changes is no longer the bundled program that is known to be harmless.
  const under = base === undefined ? {} : (toJson(base) as JsonObject)
  return yield* decode({ ...over(under, own), name, trusted: false }).pipe(
    Effect.map((profile) => ({ profile })),
    Effect.catchTag("SchemaError", ({ issue }) => Effect.succeed({ problems: problemsOf(name, issue) }))
  )
})

/**
 * Adds the profiles of the configuration to the known profiles, or changes these.
 *
 * **Details**
 *
 * A profile of the configuration builds on the profile that it `extends`, or on the known profile of its name. Objects
 * are merged, `null` removes a field, and lists are replaced, except `assets` (merged by path), `env` and `needs`
 * (merged by name). No profile of a configuration is trusted. Fails with every problem at once, each with its path.
 *
 * @category merging
 * @since 0.1.0
 */
export const apply = Effect.fnUntraced(function* (
  profiles: ReadonlyArray<Profile.Profile>,
  settings: Readonly<Record<string, JsonObject>>
) {
  const known = new Map(profiles.map((profile) => [profile.name, profile]))
  const found = yield* Effect.forEach(Object.entries(settings), ([name, own]) => read(known, name, own))
  const [first, ...rest] = found.flatMap((one) => ("problems" in one ? one.problems : []))
  if (first !== undefined) return yield* new RemoteAgentConfig.ConfigError({ problems: [first, ...rest] })
  const own = found.flatMap((one) => ("profile" in one ? [one.profile] : []))
  return [...new Map([...profiles, ...own].map((profile) => [profile.name, profile])).values()]
})
