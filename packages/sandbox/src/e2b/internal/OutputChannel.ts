/**
 * Carries values from callbacks to an async iterator, in order, with a bound: `push` gives back a promise that
 * settles once the reader has caught up, and a producer that awaits it is slowed down to the reader's pace. The reader
 * gets what waits all at once.
 */
export class OutputChannel<A> implements AsyncIterable<ReadonlyArray<A>> {
  readonly #limit: number
  readonly #weigh: (value: A) => number
  #values: Array<A> = []
  #weight = 0
  #done = false
  #failure: { readonly cause: unknown } | undefined
  #wakeReader: (() => void) | undefined
  #wakeWriters: Array<() => void> = []

  /** `limit` is how much may wait unread, in the unit of `weigh`. */
  constructor(limit: number, weigh: (value: A) => number) {
    this.#limit = limit
    this.#weigh = weigh
  }

  push(value: A): Promise<void> | void {
    if (this.#done) return
    this.#values.push(value)
    this.#weight += this.#weigh(value)
    this.#wakeReader?.()
    if (this.#weight <= this.#limit) return
    return new Promise((resolve) => this.#wakeWriters.push(resolve))
  }

  /** No more values; the reader gets what waits, then the end. */
  end(): void {
    this.#done = true
    this.#wakeReader?.()
  }

  /** No more values; the reader gets what waits, then the failure. */
  fail(cause: unknown): void {
    this.#failure ??= { cause }
    this.end()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReadonlyArray<A>, void, undefined> {
    try {
      while (true) {
        while (this.#values.length > 0) {
          const values = this.#values
          this.#values = []
          this.#weight = 0
          for (const wake of this.#wakeWriters.splice(0)) wake()
          yield values
        }
        if (this.#done) break
        // oxlint-disable-next-line no-await-in-loop -- waiting for the next value is what the loop is for
        await new Promise<void>((resolve) => (this.#wakeReader = resolve))
        this.#wakeReader = undefined
      }
      if (this.#failure !== undefined) throw this.#failure.cause
    } finally {
      this.#done = true
      for (const wake of this.#wakeWriters.splice(0)) wake()
    }
  }
}
