import { Stream } from "effect"
import { type Cursor, type End, isEnd, type JobEvent, type Output } from "../JobEvent.ts"

/**
 * Text that the job wrote, and the position after it, which is never inside a character.
 *
 * @category models
 * @since 0.1.0
 */
export interface TextOutput {
  readonly _tag: "Stdout" | "Stderr"
  readonly text: string
  readonly cursor: Cursor
}

/**
 * An event of a job with text instead of bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type TextEvent = TextOutput | End

const none = new Uint8Array(0)

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** How many bytes at the end may be the start of a character whose other bytes have not arrived. */
const unfinished = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return 0
    if (byte < 0xc0) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return back < length ? back : 0
  }
  return 0
}

/** The incomplete character at the end of each stream. */
interface Rests {
  readonly Stdout: Uint8Array
  readonly Stderr: Uint8Array
  readonly cursor: Cursor
}

const joined = (rest: Uint8Array, bytes: Uint8Array): Uint8Array => {
  if (rest.length === 0) return bytes
  const both = new Uint8Array(rest.length + bytes.length)
  both.set(rest)
  both.set(bytes, rest.length)
  return both
}

const step = (rests: Rests, { _tag, bytes, cursor }: Output): readonly [Rests, ReadonlyArray<TextEvent>] => {
  const all = joined(rests[_tag], bytes)
  const held = unfinished(all)
  const next = { ...rests, [_tag]: held === 0 ? none : all.slice(all.length - held), cursor }
  if (held === all.length) return [next, []]
  const place = { stdout: cursor.stdout - next.Stdout.length, stderr: cursor.stderr - next.Stderr.length }
  return [next, [{ _tag, text: decoder.decode(all.subarray(0, all.length - held)), cursor: place }]]
}

/** Decodes the bytes that were held back when no more bytes can arrive. */
const flush = ({ Stderr, Stdout, cursor }: Rests): ReadonlyArray<TextOutput> => {
  const { stderr, stdout } = cursor
  const held: ReadonlyArray<readonly [TextOutput["_tag"], Uint8Array, Cursor]> = [
    ["Stdout", Stdout, { stdout, stderr: stderr - Stderr.length }],
    ["Stderr", Stderr, cursor]
  ]
  return held.flatMap(([_tag, bytes, place]) =>
    bytes.length === 0 ? [] : [{ _tag, text: decoder.decode(bytes), cursor: place }]
  )
}

/**
 * Decodes the output of a job as UTF-8 text.
 *
 * **Details**
 *
 * A character is emitted when all its bytes have arrived, and no cursor lies inside a character, so reading on from any
 * cursor breaks none. Bytes that are not UTF-8 become U+FFFD; the cursors still count them.
 *
 * @category decoding
 * @since 0.1.0
 */
export const text = <E, R>(self: Stream.Stream<JobEvent, E, R>): Stream.Stream<TextEvent, E, R> =>
  Stream.mapAccum(
    self,
    (): Rests => ({ Stdout: none, Stderr: none, cursor: { stdout: 0, stderr: 0 } }),
    (rests, event): readonly [Rests, ReadonlyArray<TextEvent>] =>
      isEnd(event) ? [rests, [...flush(rests), event]] : step(rests, event)
  )
