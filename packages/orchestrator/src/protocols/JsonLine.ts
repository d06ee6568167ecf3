import { Option, Schema } from "effect"

/** A JSON object. */
export type JsonObject = Readonly<Record<string, Schema.Json>>

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

// Colours, cursor movements and titles, as terminals read them.
// oxlint-disable-next-line no-control-regex -- they begin with a control character
const ansi = /\u001B(?:\[[0-9:;<=>?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)|[ -/]*[0-~])/g

/** Text without what only a terminal understands. */
export const plain = (text: string): string => text.replaceAll(ansi, "").replace(/\r+$/, "")

/** The object that a line holds, and the noise before it. */
export interface Found {
  readonly before: string
  readonly object: JsonObject
}

// A line that is all braces must not take for ever.
const attempts = 4

/**
 * Reads a line that should be a JSON object. What a terminal would swallow, and other noise in front of the object,
 * does no harm. Nothing when there is no object up to the end of the line.
 */
export const read = (line: string): Found | undefined => {
  const text = plain(line)
  let at = text.indexOf("{")
  for (let tried = 0; tried < attempts && at !== -1; tried++) {
    const object = Option.getOrUndefined(decode(text.slice(at)))
    if (object !== undefined) return { before: text.slice(0, at).trim(), object }
    at = text.indexOf("{", at + 1)
  }
  return undefined
}
