// Not string-width: its emoji expressions take 20 ms to load, a third of a short command.
import measure from "fast-string-truncated-width"
import { plain } from "./plainText.ts"
import type { Output } from "./Screen.ts"

const gap = "  "

const stringWidth = (text: string): number => measure(text).width

// A line break or a tab in a cell would break the table.
const flat = (text: string): string => plain(text).replaceAll(/[\n\t]+/g, " ")

/** The width of a table on an output: that of the terminal, or unlimited in a pipe. */
export const widthOf = ({ columns, live }: Output): number | undefined => (live ? columns() : undefined)

/** The display width of each column, at least that of the rows before. */
export const widthsOf = (
  rows: ReadonlyArray<ReadonlyArray<string>>,
  before: ReadonlyArray<number> = []
): ReadonlyArray<number> => {
  const columns = Math.max(before.length, ...rows.map((row) => row.length))
  return Array.from({ length: columns }, (_, column) =>
    Math.max(before[column] ?? 0, ...rows.map((row) => stringWidth(flat(row[column] ?? ""))))
  )
}

/** The widths with the widest columns shrunk until all fit. No column becomes narrower than one character. */
const shrunk = (widths: ReadonlyArray<number>, width: number): ReadonlyArray<number> => {
  const available = width - gap.length * (widths.length - 1)
  const all = [...widths]
  let excess = all.reduce((sum, one) => sum + one, 0) - available
  while (excess > 0) {
    const widest = Math.max(...all)
    if (widest <= 1) break
    // The columns of the greatest width lose the same, down to the next greatest width.
    const below = Math.max(1, ...all.filter((one) => one < widest))
    const columns = all.flatMap((one, index) => (one === widest ? [index] : []))
    const step = Math.max(1, Math.min(widest - below, Math.ceil(excess / columns.length)))
    for (const column of columns.toReversed()) {
      const less = Math.min(step, excess)
      all[column] = widest - less
      excess -= less
    }
  }
  return all
}

const isAscii = (text: string): boolean => /^[\x20-\x7e]*$/.test(text)

/** Shortens a text to a display width, and marks what is missing with `…`. */
export const cut = (text: string, width: number): string => {
  if (stringWidth(text) <= width) return text
  // The truncation of the library counts some letters as two.
  if (isAscii(text)) return `${text.slice(0, Math.max(0, width - 1))}…`
  let kept = ""
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(kept + segment) > width - 1) break
    kept += segment
  }
  return `${kept}…`
}

const pad = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - stringWidth(text)))

/**
 * Renders rows of cells as aligned lines.
 *
 * **Details**
 *
 * Columns are measured by display width. When a line would be wider than `width`, the widest columns are shrunk and
 * their cells end with `…`; no column is dropped. Without a `width` nothing is cut.
 */
export const render = (
  rows: ReadonlyArray<ReadonlyArray<string>>,
  width: number = Number.POSITIVE_INFINITY,
  widths: ReadonlyArray<number> = widthsOf(rows)
): ReadonlyArray<string> => {
  const columns = shrunk(widths, width)
  return rows.map((row) =>
    row
      .map((cell, column) => pad(cut(flat(cell), columns[column] ?? 0), columns[column] ?? 0))
      .join(gap)
      .trimEnd()
  )
}
