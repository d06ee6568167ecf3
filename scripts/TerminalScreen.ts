/** Computes the final screen of a terminal from the bytes that a program wrote to it. */

/** The style of a character. */
export interface Style {
  readonly bold: boolean
  readonly dim: boolean
  /** The number of one of the eight colours, or `undefined` for the default colour. */
  readonly color: number | undefined
}

/** One character of a screen. */
export interface Cell {
  readonly text: string
  readonly style: Style
}

const plain: Style = { bold: false, dim: false, color: undefined }

const styled = (style: Style, code: number): Style => {
  if (code === 0) return plain
  if (code === 1) return { ...style, bold: true }
  if (code === 2) return { ...style, dim: true }
  if (code === 22) return { ...style, bold: false, dim: false }
  if (code >= 30 && code <= 37) return { ...style, color: code - 30 }
  if (code === 39) return { ...style, color: undefined }
  throw new Error(`The style ${code} is not known here.`)
}

/**
 * Replays the output of a program on a terminal of the given width, with line wrapping, cursor movement and clearing.
 * Throws on an unknown control sequence, so that a wrong picture is never written.
 */
export const replay = (output: string, columns: number): ReadonlyArray<ReadonlyArray<Cell>> => {
  const rows: Array<Array<Cell>> = [[]]
  let [row, column, style] = [0, 0, plain]
  const down = () => {
    row++
    while (rows.length <= row) rows.push([])
  }
  const control = (parameters: string, final: string) => {
    if (parameters.startsWith("?")) return
    const count = Number(parameters === "" ? 0 : parameters.split(";")[0])
    if (final === "A") row = Math.max(0, row - Math.max(1, count))
    else if (final === "J" && count === 0) {
      rows.length = row + 1
      rows[row]?.splice(column)
    } else if (final === "K" && count === 0) rows[row]?.splice(column)
    else if (final === "m") style = parameters.split(";").map(Number).reduce(styled, style)
    else throw new Error(`The control sequence ${parameters}${final} is not known here.`)
  }
  // oxlint-disable-next-line no-control-regex -- terminal sequences start with control characters
  for (const [all, parameters, final] of output.matchAll(/\u001B\[([\d;?]*)([A-Za-z])|[^]/gu)) {
    if (final !== undefined) control(parameters ?? "", final)
    else if (all === "\r") column = 0
    else if (all === "\n") down()
    else {
      if (column === columns) {
        column = 0
        down()
      }
      const line = rows[row] ?? []
      while (line.length < column) line.push({ text: " ", style: plain })
      line[column++] = { text: all, style }
    }
  }
  return rows
}
