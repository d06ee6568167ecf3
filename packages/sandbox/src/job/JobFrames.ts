/** A place in the output of a job: how many bytes of each stream lie before it. */
export interface Cursor {
  readonly stdout: number
  readonly stderr: number
}

/**
 * What the reader in the sandbox said: bytes of a stream and where they end, a word of its own, or something that
 * does not follow from what it said before.
 */
export type Said =
  | { readonly _tag: "Stdout" | "Stderr"; readonly bytes: Uint8Array; readonly cursor: Cursor }
  | { readonly _tag: "Word"; readonly words: ReadonlyArray<string> }
  | { readonly _tag: "Broken" }

interface Block {
  readonly tag: "Stdout" | "Stderr"
  /** Whether it is ASCII as it stands; else base64. */
  readonly plain: boolean
  /** Bytes of it that have not come yet. */
  left: number
}

const encoder = new TextEncoder()

const heading = /^([oe]) (\d+) (\d+)$/

/**
 * Takes the lines of the reader apart, however they were cut on the way, holding no more than a few characters. Every
 * block says where it starts, so that a gap or a repetition cannot pass unseen.
 */
export class JobFrames {
  #cursor: Cursor
  #head = ""
  #rest = ""
  #block: Block | undefined

  constructor(from: Cursor) {
    this.#cursor = from
  }

  /** Up to where all bytes have been given out. */
  get cursor(): Cursor {
    return this.#cursor
  }

  push(text: string): ReadonlyArray<Said> {
    const said: Array<Said> = []
    for (let at = 0; at < text.length;) {
      const end = this.#block === undefined ? this.#readHead(text, at, said) : this.#readBlock(text, at, said)
      if (end === undefined) return [...said, { _tag: "Broken" }]
      at = end
    }
    return said
  }

  #readHead(text: string, from: number, said: Array<Said>): number | undefined {
    for (let at = from; at < text.length; at++) {
      const letter = text[at]
      if (letter !== "\n" && letter !== ":" && letter !== "=") continue
      const head = this.#head + text.slice(from, at)
      // Other words may hold these letters too.
      if (letter !== "\n" && !heading.test(head)) continue
      this.#head = ""
      if (letter !== "\n") return this.#open(head, letter === "=") ? at + 1 : undefined
      if (head !== "") said.push({ _tag: "Word", words: head.split(" ") })
      return at + 1
    }
    this.#head += text.slice(from)
    return this.#head.length > 200 ? undefined : text.length
  }

  #open(head: string, plain: boolean): boolean {
    const [, letter, offset, length] = heading.exec(head) ?? []
    if (letter === undefined) return false
    const tag = letter === "o" ? "Stdout" : "Stderr"
    this.#block = { tag, plain, left: Number(length) }
    return Number(offset) === this.#cursor[letter === "o" ? "stdout" : "stderr"]
  }

  #readBlock(text: string, from: number, said: Array<Said>): number | undefined {
    const block = this.#block
    if (block === undefined) return undefined
    return block.plain ? this.#readPlain(block, text, from, said) : this.#readEncoded(block, text, from, said)
  }

  #readPlain(block: Block, text: string, from: number, said: Array<Said>): number | undefined {
    const end = Math.min(text.length, from + block.left)
    const bytes = encoder.encode(text.slice(from, end))
    // Not ASCII, so not what was sent.
    if (bytes.length !== end - from) return undefined
    this.#give(block, bytes, said)
    if (end === text.length) return end
    this.#block = undefined
    return text[end] === "\n" ? end + 1 : undefined
  }

  #readEncoded(block: Block, text: string, from: number, said: Array<Said>): number | undefined {
    const newline = text.indexOf("\n", from)
    const end = newline === -1 ? text.length : newline
    const piece = this.#rest + text.slice(from, end)
    const whole = piece.length - (piece.length % 4)
    this.#rest = piece.slice(whole)
    const decoded = Buffer.from(piece.slice(0, whole), "base64")
    const bytes = new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength)
    if (bytes.length > block.left) return undefined
    this.#give(block, bytes, said)
    if (newline === -1) return end
    this.#block = undefined
    return block.left === 0 && this.#rest === "" ? newline + 1 : undefined
  }

  #give(block: Block, bytes: Uint8Array, said: Array<Said>): void {
    if (bytes.length === 0) return
    block.left -= bytes.length
    const { stderr, stdout } = this.#cursor
    this.#cursor =
      block.tag === "Stdout"
        ? { stdout: stdout + bytes.length, stderr }
        : { stdout, stderr: stderr + bytes.length }
    said.push({ _tag: block.tag, bytes, cursor: this.#cursor })
  }
}
