// Control characters are what this file is about.
/* oxlint-disable no-control-regex */

/** Sequences with a payload, such as a title or the clipboard, up to their terminator. */
const strings =
  /(?:\u001B[\]PX^_]|[\u0090\u0098\u009D-\u009F])[^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)/g

/** Colours, cursor movements and the like. */
const controls = /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]/g

/** The remaining sequences of two or more characters. */
const escapes = /\u001B[ -/]*[0-~]?/g

/** The remaining control characters but for line breaks and tabs. */
const characters = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g

const withoutControls = (text: string): string =>
  text.replaceAll(strings, "").replaceAll(controls, "").replaceAll(escapes, "").replaceAll(characters, "")

const isPlain = (text: string): boolean => !/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/.test(text)

/**
 * Removes what a terminal would act on: escape sequences and control characters but for line breaks and tabs.
 *
 * **When to use**
 *
 * Use for every text from an agent, a sandbox, a provider or GitHub before it is printed.
 */
export const plain = (text: string): string =>
  isPlain(text) ? text : withoutControls(text.replaceAll("\r\n", "\n"))

/** The styles that the binary prints itself. */
const styles = /\u001B\[(?:0|1|2|31|32)m/g

/** {@link plain}, but keeps the styles of this binary where they are wanted. */
export const printable = (text: string, withStyles: boolean): string => {
  if (isPlain(text)) return text
  if (!withStyles) return plain(text)
  const parts = text.split(styles)
  const kept = text.match(styles) ?? []
  return parts.map((part, index) => plain(part) + (kept[index] ?? "")).join("")
}

/** A document as JSON without raw control characters, also those that JSON allows. */
export const jsonText = (document: unknown, indent?: number): string =>
  JSON.stringify(document, undefined, indent).replaceAll(
    /[\u007F-\u009F]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
