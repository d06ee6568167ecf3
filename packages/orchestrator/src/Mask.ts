import type { AgentEvent } from "@remote-agent/domain"
import type { Schema } from "effect"

/** What is written in the place of a secret. */
const hidden = "***"

// The value of a variable such as `x` or `true` would strike out half of every text.
const shortest = 6

const shapes = (secret: string): ReadonlyArray<string> => [
  secret,
  ...secret.split(/\r?\n/),
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret.toWellFormed()),
  btoa(String.fromCodePoint(...new TextEncoder().encode(secret.slice(0, 4096))))
]

const quoted = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)

/**
 * A function that strikes out secrets by their value: as they are, line by line, and as JSON, addresses and Base64
 * write them. Values of fewer than 6 characters are let be.
 */
export const text = (secrets: ReadonlyArray<string>): ((text: string) => string) => {
  const all = [...new Set(secrets.flatMap(shapes))].filter((shape) => shape.trim().length >= shortest)
  if (all.length === 0) return (self) => self
  // The longest first, so that one inside another leaves nothing of it.
  const pattern = new RegExp(
    all
      .toSorted((a, b) => b.length - a.length)
      .map(quoted)
      .join("|"),
    "g"
  )
  return (self) => self.replaceAll(pattern, hidden)
}

/** The same for every text in an event, however deep. What the event is stays. */
export const event =
  (mask: (text: string) => string) =>
  <E extends AgentEvent.AgentEvent>(self: E): E => {
    const deep = (value: Schema.Json): Schema.Json => {
      if (typeof value === "string") return mask(value)
      if (typeof value !== "object" || value === null) return value
      if (Array.isArray(value)) return value.map(deep)
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [mask(name), deep(inner)]))
    }
    const masked = Object.entries(self).map(([name, value]) => {
      if (name === "type" || name === "outcome" || name === "usage") return [name, value]
      return [name, deep(value as Schema.Json)]
    })
    return Object.fromEntries(masked) as E
  }
