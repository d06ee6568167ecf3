import { Context, Effect } from "effect"
import { printable } from "./plainText.ts"

/**
 * Standard output or standard error.
 *
 * @category models
 * @since 0.1.0
 */
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

/**
 * The output of the binary.
 *
 * @category services
 * @since 0.1.0
 */
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

/**
 * An output that discards everything.
 *
 * @category outputs
 * @since 0.1.0
 */
export const silent: Output = { live: false, colors: false, columns: () => 80, write: () => Effect.void }

/**
 * Writes one line. Escape sequences in it that are not styles of this binary are removed.
 *
 * @category printing
 * @since 0.1.0
 */
export const line = (output: Output, text: string): Effect.Effect<void> =>
  output.write(`${printable(text, output.colors)}\n`)

const paint = (code: number) => (output: Output, text: string) =>
  output.colors ? `\u001B[${code}m${text}\u001B[0m` : text

/**
 * Bold text. Colours are used only where they are wanted.
 *
 * @category styles
 * @since 0.1.0
 */
export const bold = paint(1)

/**
 * Dimmed text.
 *
 * @category styles
 * @since 0.1.0
 */
export const dim = paint(2)

/**
 * Text for failures.
 *
 * @category styles
 * @since 0.1.0
 */
export const red = paint(31)

/**
 * Text for success.
 *
 * @category styles
 * @since 0.1.0
 */
export const green = paint(32)
