/** What a file that came with a folder may not decide before the user trusts it. */

import type { Schema } from "effect"

type JsonObject = Readonly<Record<string, Schema.Json>>

/** Parts of a profile that choose no program, file, variable or host. */
const plainParts: ReadonlySet<string> = new Set(["description", "extends"])

const plainRunParts: ReadonlySet<string> = new Set([
  "model",
  "wallTimeout",
  "idleTimeout",
  "completionGrace",
  "killGrace"
])

const isObject = (value: Schema.Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * The parts of profiles that need trust, such as `profiles.mine.run.argv`.
 *
 * @category trust
 * @since 0.1.0
 */
export const profileParts = (profiles: Readonly<Record<string, JsonObject>>): ReadonlyArray<string> =>
  Object.entries(profiles).flatMap(([profile, own]) =>
    Object.entries(own).flatMap(([part, value]) => {
      const name = `profiles.${profile}.${part}`
      if (plainParts.has(part)) return []
      if (part !== "run" || !isObject(value)) return [name]
      return Object.keys(value).flatMap((inner) => (plainRunParts.has(inner) ? [] : [`${name}.${inner}`]))
    })
  )

/**
 * Tells whether a variable that is not a setting holds a key, by its name. A key is useless without the address and the
 * program that it is sent to, so a file that came with a folder may set keys.
 *
 * @category trust
 * @since 0.1.0
 */
export const isKeyName = (name: string): boolean => /^[A-Z][A-Z0-9_]*_(?:API_KEY|TOKEN)$/.test(name)
