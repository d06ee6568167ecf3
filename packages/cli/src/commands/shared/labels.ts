import { Agent } from "@remote-agent/domain"
import { Effect, Schema } from "effect"
import { Usage } from "../../ui/Failure.ts"

const isKey = Schema.is(Agent.LabelKey)
const isValue = Schema.is(Agent.LabelValue)

/** Changes of labels: `key=value` sets one, and `key-` removes one (its value is then `undefined`). */
export const parse = Effect.fnUntraced(function* (
  texts: ReadonlyArray<string>
): Effect.fn.Return<Readonly<Record<string, string | undefined>>, Usage> {
  const labels: Record<string, string | undefined> = {}
  for (const text of texts) {
    const at = text.indexOf("=")
    const [key, value] = at < 0 ? [text.slice(0, -1), undefined] : [text.slice(0, at), text.slice(at + 1)]
    if ((at < 0 && !text.endsWith("-")) || !isKey(key) || (value !== undefined && !isValue(value))) {
      return yield* new Usage({
        message: `${JSON.stringify(text)} is not a label. Write key=value, or key- to remove one. Keys are letters, digits, "." "_" "-" and "/".`
      })
    }
    labels[key] = value
  }
  return labels
})

/** Labels to set or to search for: `key=value` only. */
export const pairs = Effect.fnUntraced(function* (
  texts: ReadonlyArray<string>
): Effect.fn.Return<Readonly<Record<string, string>>, Usage> {
  const labels = yield* parse(texts)
  const found: Record<string, string> = {}
  for (const [key, value] of Object.entries(labels)) {
    if (value === undefined) {
      return yield* new Usage({ message: `The label ${key} has no value. Write ${key}=value.` })
    }
    found[key] = value
  }
  return found
})

/** Labels as they are written on the command line. */
export const toText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ")
