/** How wide the columns of rows are, and at least as wide as those of the rows before. */
export const widthsOf = (
  rows: ReadonlyArray<ReadonlyArray<string>>,
  before: ReadonlyArray<number> = []
): ReadonlyArray<number> => {
  const columns = Math.max(before.length, ...rows.map((row) => row.length))
  return Array.from({ length: columns }, (_, column) =>
    Math.max(before[column] ?? 0, ...rows.map((row) => lengthOf(row[column] ?? "")))
  )
}

/**
 * Rows of cells as aligned lines. The last column takes what is left of the width and is cut to it with `…`; without
 * a width nothing is cut. Cells are cut and padded by characters, not by bytes.
 */
export const render = (
  rows: ReadonlyArray<ReadonlyArray<string>>,
  width: number = Number.POSITIVE_INFINITY,
  widths: ReadonlyArray<number> = widthsOf(rows)
): ReadonlyArray<string> => {
  return rows.map((row) =>
    cut(
      row
        .map((cell, column) => pad(cell, widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
      width
    )
  )
}

const lengthOf = (text: string): number => Array.from(text).length

const pad = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - lengthOf(text)))

const cut = (text: string, width: number): string =>
  lengthOf(text) <= width
    ? text
    : `${Array.from(text)
        .slice(0, Math.max(0, width - 1))
        .join("")}…`
