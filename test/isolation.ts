import { inject } from "vitest"
import { runsDefault, runsRest } from "./tier.ts"

/** A form of isolation; `none` is there everywhere. */
export type Kind = "bubblewrap" | "namespaces" | "none"

const working = inject("isolations")

/** Whether a form works here; tests of the others are skipped. */
export const works = (kind: Kind): boolean => kind === "none" || working.includes(kind)

/** The best form that works here. */
export const best: Kind = working[0] ?? "none"

/** A form that does not work here. */
export const broken: Kind | undefined = (["bubblewrap", "namespaces"] as const).find((kind) => !works(kind))

/** Those of the forms that a suite runs with: for everybody the best that works, and the others in the rest. */
export const chosen = (all: ReadonlyArray<Kind>): ReadonlyArray<Kind> => {
  const first = all.find(works) ?? all[0]
  return all.filter((kind) => (kind === first ? runsDefault : runsRest))
}
