/** Generates the JSON Schema of `remote-agent.json` from the table of settings and the schema of profiles. */
import { Profile, RemoteAgentConfig } from "@remote-agent/domain"
import { Option, Schema } from "effect"

type JsonSchema = { readonly [name: string]: unknown }

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A schema in which no field is required, because settings are merged over a profile. */
const partial = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(partial)
  if (!isObject(schema)) return schema
  const entries = Object.entries(schema).filter(
    ([name]) => name !== "required" && name !== "additionalProperties"
  )
  return Object.fromEntries(entries.map(([name, value]) => [name, partial(value)]))
}

const profile = (): { readonly schema: JsonSchema; readonly $defs: unknown } => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(Schema.toCodecJson(Profile.Profile))
  const properties = isObject(schema["properties"]) ? schema["properties"] : {}
  const root = Object.keys(properties).length > 0 ? schema : (definitions["Profile"] ?? schema)
  return {
    schema: {
      type: "object",
      description: "A profile: changes to the built-in profile of this name, or a new one.",
      allOf: [partial(root)],
      properties: { extends: { type: "string", description: "The profile that this one builds on." } }
    },
    $defs: partial(definitions)
  }
}

/** The words of a setting that is one of several words. */
const choicesOf = ({ decode, expected }: RemoteAgentConfig.AnySetting): ReadonlyArray<string> => {
  const words = expected.split(", ")
  return words.length > 1 && words.every((word) => /^[a-z0-9-]+$/.test(word) && Option.isSome(decode(word)))
    ? words
    : []
}

const valueOf = (setting: RemoteAgentConfig.AnySetting): JsonSchema => {
  const choices = choicesOf(setting)
  if (choices.length > 0) return { enum: choices }
  if (setting.expected === "true or false") return { type: ["boolean", "string"] }
  if (setting.expected.startsWith("a whole number")) return { type: ["integer", "string"] }
  return { type: "string" }
}

const property = (name: RemoteAgentConfig.Name): JsonSchema => {
  const setting: RemoteAgentConfig.AnySetting = RemoteAgentConfig.settings[name]
  const fallback = RemoteAgentConfig.fallbackText(name)
  const trust = setting.privilege === undefined ? "" : ` Needs trust: ${setting.privilege.describe}.`
  return {
    ...valueOf(setting),
    description: `${setting.describe} (${setting.expected}).${trust}`,
    ...(fallback === "" ? {} : { default: fallback })
  }
}

const own = new Set(["REMOTE_AGENT_PROFILES", "REMOTE_AGENT_PRICES"])

const { $defs, schema } = profile()

/** `settings.json`. */
export const settingsSchema = `${JSON.stringify(
  {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Settings of Remote Agent",
    type: "object",
    allowComments: true,
    allowTrailingCommas: true,
    properties: {
      $schema: { type: "string" },
      ...Object.fromEntries(
        RemoteAgentConfig.names.flatMap((name) => (own.has(name) ? [] : [[name, property(name)]]))
      ),
      profiles: { type: "object", additionalProperties: schema },
      prices: {
        type: "object",
        description: RemoteAgentConfig.settings.REMOTE_AGENT_PRICES.describe,
        additionalProperties: {
          type: "object",
          properties: { input: { type: "number", minimum: 0 }, output: { type: "number", minimum: 0 } },
          required: ["input", "output"],
          additionalProperties: false
        }
      }
    },
    patternProperties: { "^//": {} },
    additionalProperties: false,
    $defs
  },
  null,
  2
)}\n`
