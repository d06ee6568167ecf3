import { Context, Effect } from "effect"

/** One of the two streams that people and programs read. */
export interface Output {
  /** Writes text as it is. */
  readonly write: (text: string) => Effect.Effect<void>
  /** Whether it is a terminal whose lines can be drawn anew. */
  readonly live: boolean
  /** Whether colours are wanted. */
  readonly colors: boolean
  /** How wide it is now. */
  readonly columns: () => number
}

/** Where the binary writes. */
export class Screen extends Context.Service<
  Screen,
  {
    /** What was asked for, and nothing else. */
    readonly out: Output
    /** Why something was not done. */
    readonly err: Output
    /** How it goes, and hints: on stderr too, and silent with `--quiet`. */
    readonly note: Output
  }
>()("@remote-agent/cli/Screen") {}

/** An output that nobody reads. */
export const silent: Output = { live: false, colors: false, columns: () => 80, write: () => Effect.void }

/** Writes one line. */
export const line = (output: Output, text: string): Effect.Effect<void> => output.write(`${text}\n`)

const paint = (code: number) => (output: Output, text: string) =>
  output.colors ? `\u001B[${code}m${text}\u001B[0m` : text

/** Text in bold, where colours are wanted. */
export const bold = paint(1)
/** Text that stands back. */
export const dim = paint(2)
/** Text that says that something went wrong. */
export const red = paint(31)
/** Text that says that something went well. */
export const green = paint(32)
