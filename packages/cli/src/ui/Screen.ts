import { Context, Effect } from "effect"
import { printable } from "./plainText.ts"

/** Standard output or standard error. */
export interface Output {
  /** Writes text unchanged. */
  readonly write: (text: string) => Effect.Effect<void>
  /** Whether it is a terminal whose lines can be redrawn. */
  readonly live: boolean
  /** Whether colours are wanted. */
  readonly colors: boolean
  /** The current width. */
  readonly columns: () => number
}

/** The output of the binary. */
export class Screen extends Context.Service<
  Screen,
  {
    /** Results only. */
    readonly out: Output
    /** Failures. */
    readonly err: Output
    /** Progress and hints, on stderr. Silent with `--quiet`. */
    readonly note: Output
  }
>()("@remote-agent/cli/Screen") {}

/** An output that discards everything. */
export const silent: Output = { live: false, colors: false, columns: () => 80, write: () => Effect.void }

/** Writes one line. Escape sequences in it that are not styles of this binary are removed. */
export const line = (output: Output, text: string): Effect.Effect<void> =>
  output.write(`${printable(text, output.colors)}
`)

const paint = (code: number) => (output: Output, text: string) =>
  output.colors ? `\u001B[${code}m${text}\u001B[0m` : text

/** Bold text. Colours are used only where they are wanted. */
export const bold = paint(1)
/** Dimmed text. */
export const dim = paint(2)
/** Text for failures. */
export const red = paint(31)
/** Text for success. */
export const green = paint(32)
