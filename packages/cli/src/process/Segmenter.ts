/** Text in which every character is a grapheme. */
const plain = /^[\x20-\x7e]*$/

// Written so that the bundler does not replace it with this module.
const { Segmenter: Full } = Intl

/**
 * Replaces `Intl.Segmenter` in the bundle.
 *
 * **Details**
 *
 * Effect makes a segmenter at every start, to lay out help, and that takes longer than a short command. This one makes
 * the real segmenter for the first text that is not plain ASCII; in plain ASCII every character is a grapheme.
 */
export class Segmenter {
  readonly #make: () => Intl.Segmenter
  readonly #graphemes: boolean
  #made: Intl.Segmenter | undefined

  constructor(locales?: Intl.LocalesArgument, options: Intl.SegmenterOptions = {}) {
    this.#make = () => (this.#made ??= new Full(locales, options))
    this.#graphemes = (options.granularity ?? "grapheme") === "grapheme"
  }

  segment(text: string): Iterable<Intl.SegmentData> {
    return this.#graphemes && plain.test(text)
      ? Array.from(text, (segment, index) => ({ segment, index, input: text }))
      : this.#make().segment(text)
  }
}
