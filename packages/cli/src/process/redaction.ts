import { Mask } from "@remote-agent/domain"
import { Context } from "effect"

/** The secrets of this run. Nothing that the binary writes or sends to an observer has one of them in it. */
export class Secrets extends Context.Service<
  Secrets,
  {
    /** From now on these are replaced by `***`. */
    readonly add: (values: Iterable<string>) => void
    readonly mask: (text: string) => string
  }
>()("@remote-agent/cli/Secrets") {}

/** No secrets yet. */
export const make = (): Secrets["Service"] => {
  const values = new Set<string>()
  let mask = Mask.make(values)
  return Secrets.of({
    mask: (text) => mask(text),
    add: (more) => {
      for (const value of more) values.add(value)
      mask = Mask.make(values)
    }
  })
}
