import { RemoteAgentConfig, Profile } from "@remote-agent/domain"
import { Effect, Schema, SchemaIssue } from "effect"

type JsonObject = Readonly<Record<string, Schema.Json>>

const isObject = (value: Schema.Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Puts one JSON object over another: objects are merged, `null` removes, everything else takes the place. */
export const merge = (base: JsonObject, over: JsonObject): JsonObject => {
  const merged = new Map(Object.entries(base))
  for (const [name, value] of Object.entries(over)) {
    const below = merged.get(name)
    if (value === null) merged.delete(name)
    else merged.set(name, isObject(value) && isObject(below) ? merge(below, value) : value)
  }
  return Object.fromEntries(merged)
}

/** The lists of a profile whose items have a key, under which a configuration can add or replace one. */
const keys: Readonly<Record<string, string>> = { assets: "path", env: "name", needs: "name" }

const keyOf = (item: Schema.Json, key: string): Schema.Json | undefined =>
  isObject(item) ? item[key] : undefined

/** Puts the settings of a profile over another profile: like {@link merge}, but such lists are put together by key. */
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

/** A profile as JSON: everything in it, as it is written in a configuration. */
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
  // Whatever a configuration changes is not our own harmless program any more.
  const under = base === undefined ? {} : (toJson(base) as JsonObject)
  return yield* decode({ ...over(under, own), name, trusted: false }).pipe(
    Effect.map((profile) => ({ profile })),
    Effect.catchTag("SchemaError", ({ issue }) => Effect.succeed({ problems: problemsOf(name, issue) }))
  )
})

/**
 * The known profiles with those of the configuration: new ones, and changed ones in the place of the known. A
 * profile of the configuration builds on the one that it `extends`, or on the known one of its name: objects are
 * merged, `null` removes, lists are replaced, but for `assets` (by path), `env` and `needs` (by name), to which it
 * adds. None of them is trusted. Fails with every problem at once, each with its path.
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
