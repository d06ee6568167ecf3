import { Effect, Schema, Stream } from "effect"
import { Flag } from "effect/cli"
import { line, type Output } from "../../ui/Screen.ts"
import { optional } from "./flags.ts"

/** `--limit`: how many rows are printed. */
export const limit = (description: string): Flag.Flag<number | undefined> =>
  optional(
    Flag.Int("limit").pipe(
      Flag.withAlias("n"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))),
      Flag.withDescription(description)
    )
  )

/** `--sort`: the order of the rows. */
export const sort = <const By extends ReadonlyArray<string>>(
  by: By,
  description: string
): Flag.Flag<By[number] | undefined> =>
  optional(Flag.Literals("sort", by).pipe(Flag.withDescription(description)))

/** Compares numbers, the greatest first and absent ones last. */
export const greatestFirst = (a: number | undefined, b: number | undefined): number =>
  a === b ? 0 : a === undefined ? 1 : b === undefined ? -1 : b - a

/**
 * The first rows of a stream in an order. Rows that compare equal keep their order.
 *
 * **Details**
 *
 * Holds at most twice the limit in memory, however long the stream is.
 */
export const first = <A, E, R>(
  rows: Stream.Stream<A, E, R>,
  compare: (a: A, b: A) => number,
  most: number = Number.MAX_SAFE_INTEGER
): Effect.Effect<ReadonlyArray<A>, E, R> => {
  const cut = (kept: ReadonlyArray<A>) => kept.toSorted(compare).slice(0, most)
  return Effect.map(
    Stream.runFold(
      rows,
      (): Array<A> => [],
      (kept, row) => {
        kept.push(row)
        return kept.length >= most * 2 ? cut(kept) : kept
      }
    ),
    cut
  )
}

/** Prints the ids of a page, one per line. */
export const printIds =
  (out: Output) =>
  (page: ReadonlyArray<{ readonly id: string }>): Effect.Effect<void> =>
    line(out, page.map(({ id }) => id).join("\n"))
