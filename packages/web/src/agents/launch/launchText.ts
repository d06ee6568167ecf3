/** What people write in the fields of a launch. Pure. */

const pairOf = (text: string): readonly [string, string] => {
  const at = text.indexOf("=")
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)]
}

/** Labels: `team=research tier=gold urgent`. */
export const readLabels = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text
      .split(/[\s,]+/)
      .filter(Boolean)
      .map(pairOf)
  )

/** Variables: `NAME=value`, one a line. A value may contain anything, also `=` and blanks. */
export const readVariables = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => pairOf(line.trim()))
  )
