import measure from "fast-string-truncated-width"

/**
 * Breaks a text at its blanks into lines of a display width. A word that is longer than a line stays whole.
 *
 * **Details**
 *
 * Line breaks of the text are kept. Blanks at the beginning of a line of the text indent all lines that it becomes.
 */
export const wrap = (text: string, width: number): ReadonlyArray<string> =>
  text.split("\n").flatMap((paragraph) => {
    const indent = /^ */.exec(paragraph)?.[0] ?? ""
    const lines: Array<string> = []
    let line = ""
    for (const word of paragraph.trim().split(/ +/)) {
      const longer = line === "" ? `${indent}${word}` : `${line} ${word}`
      if (line !== "" && measure(longer).width > width) {
        lines.push(line)
        line = `${indent}${word}`
      } else line = longer
    }
    return [...lines, line.trimEnd()]
  })
