/** Reads a stream of Server-Sent Events, cut into chunks anywhere. */

/** One event of a stream. */
export interface SseEvent {
  readonly id: string
  readonly event: string
  readonly data: string
}

const fieldOf = (line: string): readonly [string, string] => {
  const at = line.indexOf(":")
  if (at < 0) return [line, ""]
  return [line.slice(0, at), line.slice(at + (line[at + 1] === " " ? 2 : 1))]
}

/** A reader of one stream: takes chunks of text and returns the events that they complete. */
export class SseReader {
  #rest = ""
  #id = ""
  #event = ""
  #data: Array<string> = []

  push(chunk: string): ReadonlyArray<SseEvent> {
    const lines = (this.#rest + chunk).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ""
    return lines.flatMap((line) => this.#line(line))
  }

  #line(line: string): ReadonlyArray<SseEvent> {
    if (line !== "") {
      const [name, value] = fieldOf(line)
      if (name === "id") this.#id = value
      if (name === "event") this.#event = value
      if (name === "data") this.#data.push(value)
      return []
    }
    if (this.#data.length === 0) return []
    const event = { id: this.#id, event: this.#event || "message", data: this.#data.join("\n") }
    this.#event = ""
    this.#data = []
    return [event]
  }
}
