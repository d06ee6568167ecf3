import { describe } from "vitest"
import { runsDefault } from "./tier.ts"

type Describe = (name: string, tests: () => void) => void

const nothing: Describe = () => undefined

/** Tests that run for everybody, in a file of which the rest has a part. */
export const describeOnce: Describe = runsDefault ? describe : nothing
