import type { Cursor, Output } from "../JobEvent.ts"

/**
 * One thing that the reader printed: that it begins, a piece of output, a line of words, or text that does not follow from
 * its earlier output.
 */
export type Frame =
  | Output
  | { readonly _tag: "Begun" }
  | { readonly _tag: "Words"; readonly words: ReadonlyArray<string> }
  | { readonly _tag: "Broken" }

interface Block {
  readonly tag: Output["_tag"]
  /** Whether the block is plain ASCII; otherwise it is Base64. */
  readonly plain: boolean
  /** How many of its bytes have not arrived yet. */
  left: number
}

const encoder = new TextEncoder()

const heading = /^([oe]) (\d+) (\d+)$/

/** The first line of the reader. The shell profile of the sandbox may print anything before. */
const marker = "\nremote-agent-output\n"

/** No line of the reader is longer, except for blocks. */
const longestLine = 200

/**
 * Parses the lines of the reader, however the transport cut them.
 *
 * Every block states its offset, so a gap or a repetition cannot go unnoticed. The parser buffers a few characters at
 * most.
 */
export class JobFrames {
  #cursor: Cursor
  #begun = false
  /** The end of the text before the marker, or the start of an unfinished line after it. */
  #line = ""
  #rest = ""
  #block: Block | undefined

  constructor(from: Cursor) {
    this.#cursor = from
  }

  /** The position after the last byte that was returned. */
  get cursor(): Cursor {
    return this.#cursor
  }

  push(text: string): ReadonlyArray<Frame> {
    const frames: Array<Frame> = []
    for (let at = 0; at < text.length;) {
      if (!this.#begun) {
        at = this.#skipTo(text, frames)
        continue
      }
      const end =
        this.#block === undefined ? this.#readLine(text, at, frames) : this.#readBlock(text, at, frames)
      if (end === undefined) return [...frames, { _tag: "Broken" }]
      at = end
    }
    return frames
  }

  #skipTo(text: string, frames: Array<Frame>): number {
    const all = this.#line + text
    const found = all.indexOf(marker)
    if (found === -1) {
      this.#line = all.slice(-marker.length)
      return text.length
    }
    const end = found + marker.length - this.#line.length
    this.#begun = true
    this.#line = ""
    frames.push({ _tag: "Begun" })
    return end
  }

  #readLine(text: string, from: number, frames: Array<Frame>): number | undefined {
    for (let at = from; at < text.length; at++) {
      const letter = text[at]
      if (letter !== "\n" && letter !== ":" && letter !== "=") continue
      const line = this.#line + text.slice(from, at)
      // Other lines may contain these characters too.
      if (letter !== "\n" && !heading.test(line)) continue
      this.#line = ""
      if (letter !== "\n") return this.#open(line, letter === "=") ? at + 1 : undefined
      if (line !== "") frames.push({ _tag: "Words", words: line.split(" ") })
      return at + 1
    }
    this.#line += text.slice(from)
    return this.#line.length > longestLine ? undefined : text.length
  }

  #open(line: string, plain: boolean): boolean {
    const [, letter, offset, length] = heading.exec(line) ?? []
    if (letter === undefined) return false
    const tag = letter === "o" ? "Stdout" : "Stderr"
    this.#block = { tag, plain, left: Number(length) }
    return Number(offset) === this.#cursor[letter === "o" ? "stdout" : "stderr"]
  }

  #readBlock(text: string, from: number, frames: Array<Frame>): number | undefined {
    const block = this.#block
    if (block === undefined) return undefined
    return block.plain
      ? this.#readPlain(block, text, from, frames)
      : this.#readEncoded(block, text, from, frames)
  }

  #readPlain(block: Block, text: string, from: number, frames: Array<Frame>): number | undefined {
    const end = Math.min(text.length, from + block.left)
    const bytes = encoder.encode(text.slice(from, end))
    // The reader sends only ASCII this way, one byte for each character.
    if (bytes.length !== end - from) return undefined
    this.#give(block, bytes, frames)
    if (end === text.length) return end
    this.#block = undefined
    return text[end] === "\n" ? end + 1 : undefined
  }

  #readEncoded(block: Block, text: string, from: number, frames: Array<Frame>): number | undefined {
    const newline = text.indexOf("\n", from)
    const end = newline === -1 ? text.length : newline
    const piece = this.#rest + text.slice(from, end)
    const whole = piece.length - (piece.length % 4)
    this.#rest = piece.slice(whole)
    // Buffer skips characters that are not Base64; then the length below does not match.
    const decoded = Buffer.from(piece.slice(0, whole), "base64")
    const bytes = new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength)
    if (bytes.length > block.left) return undefined
    this.#give(block, bytes, frames)
    if (newline === -1) return end
    this.#block = undefined
    return block.left === 0 && this.#rest === "" ? newline + 1 : undefined
  }

  #give(block: Block, bytes: Uint8Array, frames: Array<Frame>): void {
    if (bytes.length === 0) return
    block.left -= bytes.length
    const { stderr, stdout } = this.#cursor
    this.#cursor =
      block.tag === "Stdout"
        ? { stdout: stdout + bytes.length, stderr }
        : { stdout, stderr: stderr + bytes.length }
    frames.push({ _tag: block.tag, bytes, cursor: this.#cursor })
  }
}
