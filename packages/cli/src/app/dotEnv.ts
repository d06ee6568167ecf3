/** A mistake in a `.env` file. */
interface DotEnvProblem {
  /** The line, counted from 1. */
  readonly line: number
  readonly problem: string
  readonly hint: string
}

/** A variable of a `.env` file and the line it is set on. */
interface DotEnvEntry {
  readonly name: string
  readonly value: string
  readonly line: number
}

/** A parsed `.env` file. */
export interface DotEnv {
  readonly entries: ReadonlyArray<DotEnvEntry>
  readonly problems: ReadonlyArray<DotEnvProblem>
}

const assignment = /^\s*(?:export\s+)?([\w.-]+)\s*(?:=|:\s)(.*)$/s

/** A `#` starts a comment only at the beginning of a value or after whitespace. */
const withoutComment = (text: string): string => text.replace(/(^|\s)#.*$/, "$1").trim()

const unescaped = (text: string, quote: string): string =>
  quote === '"' ? text.replaceAll("\\n", "\n").replaceAll("\\r", "\r") : text

/** The offset of the quote that closes a value, or -1. A backslash escapes a quote. */
const closing = (text: string, quote: string): number => {
  for (let at = 1; at < text.length; at++) {
    if (text[at] === "\\" && text[at + 1] === quote) at++
    else if (text[at] === quote) return at
  }
  return -1
}

/**
 * Parses the text of a `.env` file.
 *
 * **Details**
 *
 * Values may be quoted with `'`, `"` or a backtick, and quoted values may span lines. In an unquoted value a `#` starts
 * a comment only after whitespace, so `KEY=a#b` is `a#b`. A line that is not an assignment and a quote that is never
 * closed are problems; the other lines are still read.
 */
export const parse = (text: string): DotEnv => {
  const lines = text.replaceAll(/\r\n?/g, "\n").split("\n")
  const entries: Array<DotEnvEntry> = []
  const problems: Array<DotEnvProblem> = []
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1
    const current = lines[index] ?? ""
    if (/^\s*(#|$)/.test(current)) continue
    const [, name, rest = ""] = assignment.exec(current) ?? []
    if (name === undefined) {
      problems.push({
        line,
        problem: "is not an assignment",
        hint: "Write NAME=value, or start the line with # to make it a comment."
      })
      continue
    }
    const value = rest.trimStart()
    const quote = /^['"`]/.exec(value)?.[0]
    if (quote === undefined) {
      entries.push({ name, line, value: withoutComment(rest) })
      continue
    }
    const following = [value, ...lines.slice(index + 1)].join("\n")
    const end = closing(following, quote)
    if (end === -1) {
      problems.push({
        line,
        problem: `sets ${name} to a value whose quote is never closed`,
        hint: `Close it with ${quote}, or quote the whole value with another quote character.`
      })
      entries.push({ name, line, value: withoutComment(rest) })
      continue
    }
    entries.push({ name, line, value: unescaped(following.slice(1, end), quote) })
    index += following.slice(0, end).split("\n").length - 1
  }
  return { entries, problems }
}

/** The number of single-character edits between two words; adjacent characters that are swapped are one edit. */
const distance = (a: string, b: string): number => {
  const rows: Array<Array<number>> = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  for (let row = 1; row <= a.length; row++) {
    const before = rows[row - 1] ?? []
    const here = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      here.push(
        Math.min(
          (before[column] ?? 0) + 1,
          (here[column - 1] ?? 0) + 1,
          (before[column - 1] ?? 0) + (same ? 0 : 1),
          swapped ? (rows[row - 2]?.[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
        )
      )
    }
    rows.push(here)
  }
  return rows[a.length]?.[b.length] ?? 0
}

/** The known name that an unknown one was probably meant to be: at most two edits away. */
export const meant = (name: string, known: Iterable<string>): string | undefined => {
  let best: string | undefined
  let edits = 3
  for (const one of known) {
    const count = Math.abs(one.length - name.length) > 2 ? 3 : distance(name.toUpperCase(), one)
    if (count < edits) [best, edits] = [one, count]
  }
  return best
}
