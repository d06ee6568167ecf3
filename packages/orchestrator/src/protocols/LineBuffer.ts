/** A line, or the beginning of one that is longer than a line may be. */
export interface Line {
  readonly text: string
  readonly cut: boolean
}

/**
 * Puts text that comes in pieces together into lines, the same lines however it was cut. Of a line that is longer
 * than `limit`, in UTF-16 units, only the beginning is kept, so no output takes more memory than that.
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

  /** What is left when no more text will come, as a line. */
  end(): Line {
    const line = { text: this.#pieces.join(""), cut: this.#cut }
    this.#pieces = []
    this.#size = 0
    this.#cut = false
    return line
  }

  /** The lines that `text` completes, without what ends them. */
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
