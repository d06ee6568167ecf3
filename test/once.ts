import { describe } from "vitest"
import { runsDefault, runsRest } from "./tier.ts"

type Describe = (name: string, tests: () => void) => void

const nothing: Describe = () => undefined

/** Tests that run for everybody, in a file of which the rest has a part. */
export const describeOnce: Describe = runsDefault ? describe : nothing

/** Tests that take long and show what others have shown in another way; they run in the rest. */
export const describeRest: Describe = runsRest ? describe : nothing

/** Accepts any call and any property, and registers no test. */
const silent: unknown = new Proxy(() => undefined, { get: () => silent, apply: () => silent })

/** A function that registers tests which run for everybody, in a file of which the rest has a part. */
export const byDefault = <A>(test: A): A => (runsDefault ? test : (silent as A))

/** A function that registers tests which run in the rest. */
export const inRest = <A>(test: A): A => (runsRest ? test : (silent as A))
