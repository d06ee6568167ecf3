/**
 * Frames between the server and a guest: a length, and then fields that each have a length.
 *
 * @since 0.1.0
 */

const length = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** The fields one after the other, without the length of the whole. */
const joined = (fields: ReadonlyArray<string | Uint8Array>): Buffer =>
  Buffer.concat(
    fields.flatMap((field) => {
      const bytes = typeof field === "string" ? Buffer.from(field) : field
      return [length(bytes.length), bytes]
    })
  )

/** One frame. */
export const encode = (fields: ReadonlyArray<string | Uint8Array>): Buffer => {
  const body = joined(fields)
  return Buffer.concat([length(body.length), body])
}

/** The fields of the body of a frame. What is cut off at the end is left out. */
export const fieldsOf = (body: Buffer): ReadonlyArray<Buffer> => {
  const fields: Array<Buffer> = []
  for (let at = 0; at + 4 <= body.length;) {
    const size = body.readUInt32BE(at)
    if (at + 4 + size > body.length) break
    fields.push(body.subarray(at + 4, at + 4 + size))
    at += 4 + size
  }
  return fields
}

/** Puts frames together from the pieces in which they arrive. */
export class FrameReader {
  #pieces: Array<Buffer> = []
  #size = 0

  /** The fields of each frame that is complete now. */
  push(piece: Buffer): ReadonlyArray<ReadonlyArray<Buffer>> {
    this.#pieces.push(piece)
    this.#size += piece.length
    const frames: Array<ReadonlyArray<Buffer>> = []
    for (;;) {
      const [first] = this.#pieces
      if (first === undefined || this.#size < 4) return frames
      const head = first.length < 4 ? this.#join() : first
      const size = head.readUInt32BE(0)
      if (this.#size < 4 + size) return frames
      const all = this.#join()
      frames.push(fieldsOf(all.subarray(4, 4 + size)))
      this.#size -= 4 + size
      this.#pieces = this.#size === 0 ? [] : [all.subarray(4 + size)]
    }
  }

  #join(): Buffer {
    const all = Buffer.concat(this.#pieces)
    this.#pieces = [all]
    return all
  }
}
