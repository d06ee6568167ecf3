import { TerminalText } from "@remote-agent/domain"

/** Removes everything that a terminal would act on. Use it for every text that is not from this binary. */
export const plain = TerminalText.strip

// oxlint-disable-next-line no-control-regex -- styles begin with ESC
const styles = /\u001B\[(?:0|1|2|31|32)m/g

/** {@link plain}, but keeps the styles of this binary where they are wanted. */
export const printable = (text: string, withStyles: boolean): string => {
  if (!withStyles) return plain(text)
  const kept = text.match(styles) ?? []
  return text
    .split(styles)
    .map((part, index) => plain(part) + (kept[index] ?? ""))
    .join("")
}

/** A document as JSON without raw control characters, also those that JSON allows. */
export const jsonText = (document: unknown, indent?: number): string =>
  JSON.stringify(document, undefined, indent).replaceAll(
    /[\u007F-\u009F]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
