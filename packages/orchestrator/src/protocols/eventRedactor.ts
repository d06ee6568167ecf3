import type { AgentEvent } from "@remote-agent/domain"
import type { Schema } from "effect"

/**
 * Applies `mask` to every text in an event, at any depth. The type, the outcome and the usage stay.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make =
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
