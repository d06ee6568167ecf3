/**
 * A line, or the beginning of a line that is too long.
 *
 * @category models
 * @since 0.1.0
 */
export interface Line {
  readonly text: string
  readonly cut: boolean
}

/**
 * Splits text that arrives in chunks into lines.
 *
 * **Details**
 *
 * The lines do not depend on how the text was split into chunks. Only the first `limit` UTF-16 units of a line are
 * kept, which bounds the memory.
 *
 * @category models
 * @since 0.1.0
 */
export class LineBuffer {
  readonly #limit: number
  #pieces: Array<string> = []
  #size = 0
  #cut = false

  constructor(limit: number) {
    this.#limit = limit
  }

  #add(piece: string): void {
    const room = this.#limit - this.#size
    if (piece.length > room) this.#cut = true
    const kept = piece.slice(0, room)
    if (kept === "") return
    this.#pieces.push(kept)
    this.#size += kept.length
  }

  /** Returns the rest as a line, when no more text will come. */
  end(): Line {
    const line = { text: this.#pieces.join(""), cut: this.#cut }
    this.#pieces = []
    this.#size = 0
    this.#cut = false
    return line
  }

  /** Returns the lines that `text` completes, without their line breaks. */
  push(text: string): ReadonlyArray<Line> {
    const lines: Array<Line> = []
    let from = 0
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", from)) {
      this.#add(text.slice(from, at))
      lines.push(this.end())
      from = at + 1
    }
    this.#add(text.slice(from))
    return lines
  }
}
