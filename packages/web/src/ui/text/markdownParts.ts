/** Cuts Markdown into parts. Pure. */

/** Lines of one kind that belong together. */
export interface Part {
  readonly kind: "code" | "heading" | "bullets" | "numbers" | "table" | "text"
  readonly lines: Array<string>
}

const kindOf = (line: string): Part["kind"] => {
  if (/^#{1,6} /.test(line)) return "heading"
  if (/^\s*[-*] /.test(line)) return "bullets"
  if (/^\s*\d+[.)] /.test(line)) return "numbers"
  return /^\s*\|.*\|\s*$/.test(line) ? "table" : "text"
}

/** Cuts a text into parts. A fence that is still open holds everything after it, as in a text that is being written. */
export const partsOf = (text: string): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  let fenced = false
  for (const line of text.split("\n")) {
    if (/^\s*```/.test(line)) {
      fenced = !fenced
      if (fenced) parts.push({ kind: "code", lines: [] })
      continue
    }
    const last = parts.at(-1)
    if (fenced) {
      last?.lines.push(line)
      continue
    }
    const kind = kindOf(line)
    if (last?.kind === kind && kind !== "heading") last.lines.push(line)
    else parts.push({ kind, lines: [line] })
  }
  return parts
}
