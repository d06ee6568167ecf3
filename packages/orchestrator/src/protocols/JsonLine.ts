import { Option, Schema } from "effect"

/**
 * A JSON object.
 *
 * @category models
 * @since 0.1.0
 */
export type JsonObject = Readonly<Record<string, Schema.Json>>

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

// Colours, cursor movements and titles, as terminals read them.
// oxlint-disable-next-line no-control-regex -- they begin with a control character
const ansi = /\u001B(?:\[[0-9;:<=>?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)|[ -/]*[0-~])/g

/**
 * Removes escape sequences and the carriage returns at the end of a line.
 *
 * @category text
 * @since 0.1.0
 */
export const plain = (text: string): string => text.replaceAll(ansi, "").replace(/\r+$/, "")

/**
 * Finds the end of the JSON object or array that begins at `from`: the index behind its last bracket. Returns
 * undefined when it does not end.
 *
 * @category parsing
 * @since 0.1.0
 */
export const endOf = (text: string, from: number): number | undefined => {
  let [depth, quoted] = [0, false]
  for (let at = from; at < text.length; at++) {
    const character = text[at]
    if (quoted) {
      if (character === "\\") at++
      else if (character === '"') quoted = false
    } else if (character === '"') quoted = true
    else if (character === "{" || character === "[") depth++
    else if ((character === "}" || character === "]") && --depth === 0) return at + 1
  }
  return undefined
}

/**
 * A part of a line: an object, or text that is none.
 *
 * @category models
 * @since 0.1.0
 */
export type Piece =
  | { readonly _tag: "Object"; readonly object: JsonObject }
  | { readonly _tag: "Noise"; readonly text: string }

/** How many objects and braces of a line are tried. The rest of such a line is noise. */
const attempts = 64

const begins = /^\{\s*(?:"|\})/

/** Whether an object behind this text is a part of something else: of an array or a quotation. */
const isInside = (before: string): boolean =>
  /["'`(]$/.test(before) || before.split("[").length > before.split("]").length

/**
 * Splits a line into its JSON objects and the noise around them.
 *
 * **Details**
 *
 * Escape sequences are removed. An object that does not end, or that is a part of something else, is noise as a whole:
 * nothing inside it is taken for an object of its own.
 *
 * @category parsing
 * @since 0.1.0
 */
export const pieces = (line: string): ReadonlyArray<Piece> => {
  const text = plain(line)
  const found: Array<Piece> = []
  let [done, at] = [0, text.indexOf("{")]
  const noise = (until: number) => {
    const before = text.slice(done, until).trim()
    if (before !== "") found.push({ _tag: "Noise", text: before })
    done = until
  }
  for (let tried = 0; tried < attempts && at !== -1; tried++) {
    let next = at + 1
    if (begins.test(text.slice(at, at + 64))) {
      const end = endOf(text, at)
      if (end === undefined) break
      next = end
      const isPart = isInside(text.slice(done, at))
      const object = isPart ? undefined : Option.getOrUndefined(decode(text.slice(at, end)))
      if (object !== undefined) {
        noise(at)
        found.push({ _tag: "Object", object })
        done = end
      }
    }
    at = text.indexOf("{", next)
  }
  noise(text.length)
  return found
}
