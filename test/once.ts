import { describe } from "vitest"
import { runsDefault, runsRest } from "./tier.ts"

type Describe = (name: string, tests: () => void) => void

const nothing: Describe = () => undefined

/** Tests that run for everybody, in a file of which the rest has a part. */
export const describeOnce: Describe = runsDefault ? describe : nothing

/** Tests that take long and show what others have shown in another way; they run in the rest. */
export const describeRest: Describe = runsRest ? describe : nothing
