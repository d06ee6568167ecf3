/** Text in which every character stands for itself. */
const plain = /^[\x20-\x7e]*$/

// Not `Intl.Segmenter`, which the bundle has this module in the place of.
const { Segmenter: Full } = Intl

/**
 * What the bundle has in the place of `Intl.Segmenter`, which takes longer to make than a short command takes, and
 * which Effect makes at every start to lay out help. This one makes it for the first text that is not plain ASCII: of
 * one that is, every character is a grapheme.
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
