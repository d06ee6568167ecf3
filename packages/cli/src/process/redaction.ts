import { Redactor } from "@remote-agent/domain"
import { Context } from "effect"

/** The secrets of this run. Nothing that the binary writes or sends to an observer has one of them in it. */
export class Redaction extends Context.Service<
  Redaction,
  {
    /** From now on these are replaced by `***`. */
    readonly add: (values: Iterable<string>) => void
    readonly mask: (text: string) => string
  }
>()("@remote-agent/cli/Redaction") {}

/** No secrets yet. */
export const make = (): Redaction["Service"] => {
  const values = new Set<string>()
  let mask = Redactor.make(values)
  return Redaction.of({
    mask: (text) => mask(text),
    add: (more) => {
      for (const value of more) values.add(value)
      mask = Redactor.make(values)
    }
  })
}
