import { Redactor } from "@remote-agent/domain"
import { Context } from "effect"

/**
 * The secrets of this run. They are redacted in everything that the binary prints, logs or exports.
 *
 * @category services
 * @since 0.1.0
 */
export class Redaction extends Context.Service<
  Redaction,
  {
    /** Redacts these values from now on. */
    readonly add: (values: Iterable<string>) => void
    readonly mask: (text: string) => string
    /** Redacts a text that arrives in pieces. */
    readonly pieces: () => Redactor.Pieces<string>
    /** Redacts bytes that arrive in pieces. */
    readonly bytePieces: () => Redactor.Pieces<Uint8Array>
  }
>()("@remote-agent/cli/Redaction") {}

/**
 * Makes a redaction without secrets.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Redaction["Service"] => {
  const values = new Set<string>()
  let mask = Redactor.make(values)
  return Redaction.of({
    mask: (text) => mask(text),
    pieces: () => Redactor.pieces(values),
    bytePieces: () => Redactor.bytePieces(values),
    add: (more) => {
      for (const value of more) values.add(value)
      mask = Redactor.make(values)
    }
  })
}
